#!/usr/bin/env bash
# Trains the priors that this plugin ships, in phases that each end by themselves; a phase that is repeated goes on where it stopped.
#
#   train.sh sets WORK      training and held-out volumes: VOLUMES (4000) of each size, by JOBS (15) processes
#   train.sh priors WORK    all trainings side by side on one GPU, for MINUTES (8); with more MINUTES they go on
#   train.sh cards WORK     each prior beside held-out volumes, noted on its card
#   train.sh collect WORK OUT   the files to ship, and their cards
#
# VOLUMES=6 HELD_OUT=6 JOBS=1 BATCH=4 MINUTES=0.2 rehearses it on a CPU. ONLY=fluvial-gan-small trains one of them.
set -euo pipefail
phase=${1:?phase: sets, priors, cards or collect} work=${2:?the folder to work in}
run="${PYTHON:-python3} -m gempy_gan"
LABELS=width,mobility,avulsions,wavelength
declare -A LEARNS=(
    [fluvial-diffusion-tiny]="diffusion --preset tiny --labels $LABELS --batch 128"
    [fluvial-diffusion-small]="diffusion --preset small --labels $LABELS --batch 64"
    [fluvial-gan-tiny]="gan --preset tiny --labels '' --set ablation=5 --batch 64"
    [fluvial-gan-small]="gan --preset small --labels '' --set ablation=5 --batch 64"
)
LAYERS=([8]=tiny [16]=small)
mkdir -p "$work"

sets() {
    for nz in 8 16; do
        size=${LAYERS[$nz]}
        $run sample fluvial-simulator --set "shape=[128,128,$nz]" -n "${HELD_OUT:-200}" --seed 900000 --jobs "${JOBS:-15}" --resume -o "$work/$size-held-out.zarr"
        $run sample fluvial-simulator --set "shape=[128,128,$nz]" -n "${VOLUMES:-4000}" --seed 0 --jobs "${JOBS:-15}" --resume -o "$work/$size.zarr"
    done
}

priors() {
    for name in ${ONLY:-"${!LEARNS[@]}"}; do
        eval "$run train ${LEARNS[$name]} --data '$work/${name##*-}.zarr' --seed 0 --minutes ${MINUTES:-8} --look-minutes 0 --save-minutes 2 ${BATCH:+--batch $BATCH} -o '$work/$name'" >"$work/$name.log" 2>&1 &
    done
    wait
    tail -n 1 "$work"/fluvial-*.log
}

cards() {
    for name in ${ONLY:-"${!LEARNS[@]}"}; do
        size=${name##*-}
        $run validate "$work/$name" --against "$work/$size-held-out.zarr" --training "$work/$size.zarr" --card >"$work/$name.card" &
    done
    wait
    cat "$work"/*.card
}

collect() {
    mkdir -p "${1:?the folder for the files to ship}"
    for name in ${ONLY:-"${!LEARNS[@]}"}; do
        cp "$work/$name/prior.safetensors" "$1/$name.safetensors"
        cp "$work/$name/card.md" "$1/$name.md"
    done
}

"$phase" "${@:3}"
