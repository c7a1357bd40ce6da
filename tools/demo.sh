#!/usr/bin/env bash
# The main job on the miniature LLM of zoo/: quantize it, show what was lost and what was won, continue a prompt.
# Usage: tools/demo.sh PROGRAM      Leaves the quantized models in out/demo/.
set -euo pipefail
cd "$(dirname "$0")/.."
halftone=${1:?usage: tools/demo.sh PROGRAM}
model=zoo/llm
out=out/demo
prompt="Once upon a time there was a king who"

echo "== The model"
"$halftone" inspect -m $model

echo; echo "== Quantized and stored: $out"
for recipe in rtn-w8 rtn-w4g32 nf4; do
  "$halftone" quantize -m $model -o "$out/$recipe" --recipe "$recipe"
done

echo; echo "== What was lost, what was won"
"$halftone" sweep -m $model --text zoo/heldout.txt \
  --recipes rtn-w8,rtn-w8-tensor,rtn-w4,rtn-w4g128,rtn-w4g32,rtn-w4g32-affine,rtn-w3g32,nf4,nf4-dq,fp8-e4m3

echo; echo "== The 4-bit model continues: $prompt"
"$halftone" run -m "$out/rtn-w4g32" -p "$prompt" -n 100 --temp 0.7 --seed 7
