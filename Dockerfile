# Airflow with the packages of requirements.txt and no others, so that a container runs what the tests ran.
# DAGs, plugins and SQL are mounted, not copied: see docker-compose.yaml. A test holds the tag and requirements.txt together.
FROM apache/airflow:3.3.2-python3.11

COPY requirements.txt /requirements.txt
# sync, not install: what else the base image brings (some thirty providers) was built for other versions of the same libraries.
RUN uv pip sync --no-cache --compile-bytecode /requirements.txt
