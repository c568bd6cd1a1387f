"""What a process asks of kernel, allocator and libraries."""
