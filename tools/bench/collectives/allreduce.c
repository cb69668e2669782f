/* What MPI itself takes to sum COUNT floats over all ranks: seconds per call, one a line, on rank 0. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const int count = atoi(argv[1]), repeats = atoi(argv[2]);
  float* from = malloc(sizeof(float) * (size_t)count);
  float* to = malloc(sizeof(float) * (size_t)count);
  for (int i = 0; i < count; ++i) from[i] = (float)(i % 1000), to[i] = 0;
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  for (int i = 0; i < repeats; ++i) {
    MPI_Barrier(MPI_COMM_WORLD);
    const double began = MPI_Wtime();
    MPI_Allreduce(from, to, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    const double took = MPI_Wtime() - began;
    if (rank == 0) printf("%.6f\n", took);
  }
  MPI_Finalize();
  return 0;
}
