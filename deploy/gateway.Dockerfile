# Image of the gateway: docker build -f deploy/gateway.Dockerfile -t gantry/gateway .
# Made from the repository's root. It holds no model and no media library.
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# A package index of your own, or PIP_FIND_LINKS=/wheels and PIP_NO_INDEX=1 for a folder of wheels.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_NO_INDEX
ENV PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /opt/gantry
COPY deploy/install.py deploy/constraints.txt deploy/
# Wheels of your own, if the build context has a folder wheels/: PIP_FIND_LINKS=/wheels
COPY deploy/constraints.txt wheel[s] /wheels/
COPY gateway/requirements* gateway/
RUN python3 deploy/install.py --image gateway \
    && .venv/bin/python -m pip uninstall --yes pip setuptools

FROM ${PYTHON_IMAGE}
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp gantry \
    && mkdir -p /var/lib/gantry && chown 10001:10001 /var/lib/gantry
WORKDIR /opt/gantry
COPY --from=build /opt/gantry/.venv .venv
COPY LICENSE LICENSE-AGPL-3.0 LICENSES.md ./
COPY shared shared
COPY gateway gateway
ENV PATH=/opt/gantry/.venv/bin:${PATH} HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    GATEWAY_STATE_DIR=/var/lib/gantry
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/livez', timeout=2)"]
CMD ["python", "-m", "gateway"]
