#!/usr/bin/env bash
# Trains every preset, ten seeds each, plays the checkpoints, and writes results.csv and the table.
#
#   experiments/000_competence/run.sh [PRESET ...]     from anywhere, with pgx on the path
#
# Runs go to outputs/competence/. What is finished is not trained again.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
presets=("$@")
[ ${#presets[@]} -gt 0 ] || presets=(a2c acrobot pendulum mountain_car mountain_car_continuous lunarlander)
cd "$here/../.."

for preset in "${presets[@]}"; do
  pgx train "experiment=$preset" seeds=10 study.name=competence "arm=$preset" resume=true
  pgx eval "outputs/competence/$preset" --episodes 100 --json > "outputs/competence/$preset/eval.json"
done
python "$here/summarise.py" outputs/competence
