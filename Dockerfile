# docker build -t spoolfarm . && docker run --init -p 127.0.0.1:8090:8090 -v spoolfarm:/data spoolfarm
# With other containers: deploy/compose.yaml
FROM python:3.11-slim-bookworm

RUN useradd --uid 10001 --create-home --home-dir /farm --shell /usr/sbin/nologin farm \
    && install -d -o farm -g farm /data
WORKDIR /farm

# The libraries change less often than the farm: a layer of their own.
COPY setup.cfg pyproject.toml constraints.txt README.md LICENSE ./
RUN install -D /dev/null spoolfarm/__init__.py \
    && pip install --no-cache-dir --constraint constraints.txt --editable '.[all]'

COPY . .

# The port is published by docker run, which says to whom; other machines get in only with FARM_API_KEY.
ENV FARM_BIND=0.0.0.0:8090 \
    FARM_SPOOL_DIR=/data/spool \
    FARM_RESULTS_DIR=/data/results \
    FARM_DATA_DIR=/data/data \
    FARM_RUN_DIR=/data/run \
    PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 8090
USER 10001
# The grace time must fit into what Docker waits: docker stop --time 45
STOPSIGNAL SIGTERM
# Asks the farm where it listens, whatever FARM_BIND says.
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s CMD ["python", "-m", "spoolfarm.launcher.health"]
CMD ["python", "launcher.py"]
