#!/bin/bash
# One training on several machines of a Slurm cluster. Submit it again to continue a run that was stopped by its time limit.
#   sbatch --nodes 2 --gpus-per-node 4 --cpus-per-task 16 examples/slurm.sh train gan --data cryptopunks --out runs/punks
# On CPUs, PROCESSES=8 sets the processes of each machine. All machines must see the data set and the folder of the run.
#SBATCH --job-name=gentool
#SBATCH --ntasks-per-node=1
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@120
set -eu

processes=${PROCESSES:-${SLURM_GPUS_ON_NODE:-1}}
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
cores=${SLURM_CPUS_PER_TASK:-$processes}
export OMP_NUM_THREADS=$(( cores > processes ? cores / processes : 1 ))
# Since Slurm 22.05, srun no longer takes --cpus-per-task from sbatch.
[ -z "${SLURM_CPUS_PER_TASK:-}" ] || export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"

srun torchrun --nnodes "$SLURM_NNODES" --nproc-per-node "$processes" \
    --rdzv-id "$SLURM_JOB_ID" --rdzv-backend c10d --rdzv-endpoint "$head:${PORT:-29500}" \
    -m gentool "$@"
