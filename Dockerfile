# The shipper: `docker build -t orchestrator-shipper .`, then
# `docker run -v ./shipper.yml:/etc/shipper/shipper.yml:ro -v /var/log/app:/logs:ro …`
#
# It runs as user 10001, which has to be able to read the log files, and writes to /var/lib/shipper
# alone.

FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/shipper
COPY pyproject.toml README.md /src/
COPY config /src/config
COPY shipper /src/shipper
RUN /opt/shipper/bin/pip install "/src[elasticsearch,logstash,web]" \
 && /opt/shipper/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin shipper \
 && install -d -o shipper -g shipper -m 700 /var/lib/shipper
COPY --from=build /opt/shipper /opt/shipper
ENV PATH=/opt/shipper/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    SHIPPER_CONFIG=/etc/shipper/shipper.yml
WORKDIR /var/lib/shipper
USER 10001:10001
VOLUME /var/lib/shipper
STOPSIGNAL SIGTERM
ENTRYPOINT ["shipper"]
CMD ["run"]
