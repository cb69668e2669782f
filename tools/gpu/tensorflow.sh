#!/usr/bin/env bash
# What the tensorflow backend does on this machine's GPU, in one command:
#   tools/gpu/tensorflow.sh [FOLDER]
# FOLDER is a Python environment that has TensorFlow. Without it, one is made in outputs/gpu with the newest that PyPI
# has for the GPU that is here. Builds the engine, holds every kernel and the golden model to their numbers, and
# measures training. The report is outputs/gpu/report.txt. No GPU has run it yet; a machine without one runs it too, and
# measures the smallest model alone.
set -euo pipefail
named=${1:+$(realpath "$1")}
cd "$(dirname "$0")/../.."

folder=${named:-$PWD/outputs/gpu/tensorflow}
package=tensorflow-cpu
[ ! -e /dev/kfd ] || package=tensorflow-rocm
[ ! -e /proc/driver/nvidia/gpus ] || package='tensorflow[and-cuda]'
mkdir -p outputs/gpu
exec > >(tee outputs/gpu/report.txt) 2>&1

if [ $# = 0 ] && [ ! -x "$folder/bin/python" ]; then
  echo "--- $package into $folder ---"
  python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet "$package"
fi

echo '--- build ---'
node tools/setup.mjs > outputs/gpu/setup.log 2>&1 || { tail outputs/gpu/setup.log; exit 1; }
npx tessera build-engines --tensorflow "$folder"
npx tessera doctor --require tensorflow

echo '--- laws of the kernels, golden model, layouts, training ---'
# TF32 rounds what fp32 products multiply, and these tests hold them to fp32.
NVIDIA_TF32_OVERRIDE=0 TESSERA_TENSORFLOW=$folder TESSERA_TIER=slow \
  node node_modules/jest/bin/jest.js --config jest.config.mjs --rootDir apps/gpt-ddp src/tensorflow.slow.test.ts

echo '--- speed ---'
for precision in fp32 bf16; do
  npm run --silent bench -- training --backend native --backend tensorflow --case gpt2-124M --precision "$precision"
  [ "$package" != tensorflow-cpu ] || continue
  for case in gpt2-124M-4k gpt2-1.5B; do
    npm run --silent bench -- training --backend tensorflow --case "$case" --precision "$precision" --steps 3 ||
      echo "$case in $precision: did not run"
  done
done
