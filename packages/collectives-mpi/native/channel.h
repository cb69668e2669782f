// The way to the other ranks of a group: sends and receives under a tag that no other group uses.
#pragma once

#include <algorithm>

#include "group.h"

namespace tessera {

/** Tags of a group. Messages of one tag between two ranks keep their order. */
enum Slot { kCompare, kVerdict, kPartial, kResult, kGather, kBroadcast, kBarrier, kMessage };
/** Tags that each group has, of which those from kMessage on are for messages. */
constexpr int kSlots = 256;

/** Larger messages are cut, because MPI counts in int. */
constexpr size_t kLongest = size_t{1} << 30;

class Channel {
 public:
  Channel(const Call& call, int slot)
      : group_(call.group), tag_(call.group.context * kSlots + slot) {}

  void send(Requests& requests, const void* data, size_t bytes, int to) const {
    for (size_t at = 0; at < bytes; at += kLongest) {
      const auto count = static_cast<int>(std::min(kLongest, bytes - at));
      requests.emplace_back();
      check(MPI_Isend(static_cast<const char*>(data) + at, count, MPI_BYTE, world(to), tag_,
                      group_.communicator, &requests.back()),
            "MPI_Isend");
    }
  }

  void receive(Requests& requests, void* data, size_t bytes, int from) const {
    for (size_t at = 0; at < bytes; at += kLongest) {
      const auto count = static_cast<int>(std::min(kLongest, bytes - at));
      requests.emplace_back();
      check(MPI_Irecv(static_cast<char*>(data) + at, count, MPI_BYTE, world(from), tag_,
                      group_.communicator, &requests.back()),
            "MPI_Irecv");
    }
  }

 private:
  int world(int rank) const { return group_.ranks[static_cast<size_t>(rank)]; }

  const Group& group_;
  int tag_;
};

/**
 * The binomial tree over a group, as seen from place `at` (the root is 0): parent, and children.
 */
struct Tree {
  int parent = -1;
  std::vector<int> children;

  Tree(int at, int size) {
    int bit = 1;
    for (; bit < size && (at & bit) == 0; bit *= 2) {
      if (at + bit < size) children.push_back(at + bit);
    }
    if (at != 0) parent = at - (at & -at);
  }
};

}  // namespace tessera
