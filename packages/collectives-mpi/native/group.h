// Some ranks of the world, their place in its tags, and how far this rank has come among them.
#pragma once

#include <deque>
#include <map>

#include "call.h"

namespace tessera {

struct Group {
  std::string name;
  /** The same on all its ranks, and on no other group. */
  uint64_t key = 0;
  std::vector<int> ranks;
  int rank = 0;
  MPI_Comm communicator = MPI_COMM_NULL;
  /** Sets its messages apart from those of every other group that two of its ranks share. */
  int context = 0;
  /** Whether every collective is compared among ranks first. */
  bool compares = true;
  /** Collectives that this rank has called. */
  uint64_t called = 0;
  /** Collectives in their order; only the first is under way. */
  std::deque<std::shared_ptr<Call>> queue;

  int size() const { return static_cast<int>(ranks.size()); }
  std::string text() const;
};

/** "rank 3 (host n1)" */
std::string nameRank(const std::vector<std::string>& hosts, int rank);

}  // namespace tessera
