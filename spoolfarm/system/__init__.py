"""What a process needs from kernel, allocator and libraries."""
