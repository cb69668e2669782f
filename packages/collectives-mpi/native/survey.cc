// See survey.h.
#include "survey.h"

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
  const std::string whole(text);
  return whole.substr(0, whole.find_first_of(",\n"));
}

}  // namespace tessera
