# Airflow with exactly the packages of requirements.txt, the versions that the tests run with.
# DAGs, plugins and SQL are mounted, not copied: see docker-compose.yaml. A test compares the tag with requirements.txt.
FROM apache/airflow:3.3.2-python3.11

COPY requirements.txt /requirements.txt
# sync, not install: it removes the other packages of the base image (some thirty providers), which need other versions of the libraries.
RUN uv pip sync --no-cache --compile-bytecode /requirements.txt
