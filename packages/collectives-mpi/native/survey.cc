// See survey.h.
#include "survey.h"

#include <algorithm>

#include "call.h"

namespace tessera {

std::string threadLevelName(int level) {
  if (level == MPI_THREAD_MULTIPLE) return "multiple";
  if (level == MPI_THREAD_SERIALIZED) return "serialized";
  return level == MPI_THREAD_FUNNELED ? "funneled" : "single";
}

Survey survey() {
  int threadLevel = MPI_THREAD_SINGLE;
  check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &threadLevel), "MPI_Init_thread");
  MPI_Finalize();
  return {libraryName(), threadLevelName(threadLevel)};
}

std::string libraryName() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = {};
  int length = 0;
  MPI_Get_library_version(text, &length);
  // "Open MPI v4.1.4, package: ...", "MPICH Version:\t4.0.2\n...", "MPI VERSION    : CRAY MPICH
  // version 8.1.28 ...".
  const std::string whole(text);
  const std::string first = whole.substr(0, whole.find_first_of(",\n"));
  const size_t colon = first.find(':');
  if (colon == std::string::npos) return first;
  const std::string after =
      first.substr(std::min(first.find_first_not_of(" \t", colon + 1), first.size()));
  return (first.starts_with("MPICH") ? "MPICH " : "") + after;
}

}  // namespace tessera
