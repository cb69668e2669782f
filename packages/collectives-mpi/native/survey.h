// What this machine's MPI is, and what it lets threads do.
#pragma once

#include <string>

namespace tessera {

struct Survey {
  std::string library;
  /** MPI's own word: single, funneled, serialized or multiple. */
  std::string threadLevel;
};

/** Starts MPI and ends it, after which it cannot start again in this process. */
Survey survey();

/** MPI's own word for what `level` of MPI_THREAD_... lets threads do. */
std::string threadLevelName(int level);

/** The library's name and version; known before MPI starts. */
std::string libraryName();

}  // namespace tessera
