/* part.h - the part of ganlua that reaches other processes over MPI: ganlua_mpi.so. It is loaded where mpirun has started
 * several processes, so that nothing else of ganlua needs MPI. It knows the engine's gan_ranks, and no Lua. */
#ifndef GANLUA_PART_H
#define GANLUA_PART_H

#include "gan.h"

enum { PART_WHY = 300 };

/* ganlua_part_open: begins MPI and fills `ranks`; false, with the reason in words, where that does not work. Once in a
 * process. */
typedef bool part_open(gan_ranks *ranks, char why[PART_WHY]);

#endif
