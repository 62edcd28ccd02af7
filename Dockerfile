# docker build -t nowcast . && docker run -p 127.0.0.1:4200:4200 -v radar:/data nowcast
# In /data: nowcast.toml, the inbox, the store and all that the service writes.
FROM python:3.11-slim

RUN useradd --create-home nowcast && install --directory --owner nowcast /data
WORKDIR /app
# the CPU build: a fifth of the one for GPUs
RUN pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu "torch>=2.9,<2.14"
COPY pyproject.toml README.md LICENSE prefect.yaml ./
COPY data_catalog data_catalog
COPY pipeline pipeline
COPY nowcast nowcast
COPY flows flows
RUN pip install --no-cache-dir --editable ".[stores,cluster]"

USER nowcast
WORKDIR /data
VOLUME /data
ENV NOWCAST_SERVER__HOST=0.0.0.0 PREFECT_SERVER_ANALYTICS_ENABLED=false
EXPOSE 4200
CMD ["nowcast", "serve"]
