// See call.h: one step of a call, and how errors name it.
#include "call.h"

#include "group.h"

namespace tessera {
namespace {

const char* const kKinds[] = {"allReduce", "reduceScatter", "allGather", "broadcast",
                              "send",      "receive",       "barrier"};
const char* const kStorages[] = {"fp32", "int32", "bool", "bf16", "fp16"};
const char* const kOps[] = {"sum", "mean", "max", "min", "onto"};

}  // namespace

std::string nameRank(const std::vector<std::string>& hosts, int rank) {
  return "rank " + std::to_string(rank) + " (host " + hosts.at(static_cast<size_t>(rank)) + ")";
}

std::string Group::text() const {
  std::string said = name + " (ranks ";
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (i == 8) return said + ", ... " + std::to_string(ranks.back()) + ")";
    said += (i == 0 ? "" : ", ") + std::to_string(ranks[i]);
  }
  return said + ")";
}

std::string Signature::text() const {
  if (kind == Kind::meet) return "group of " + std::to_string(size) + " ranks";
  std::string said = kKinds[static_cast<int>(kind)];
  if (kind == Kind::barrier) return said;
  if (kind == Kind::allReduce || kind == Kind::reduceScatter)
    said += std::string(" (") + kOps[static_cast<int>(op)] + ")";
  if (kind == Kind::broadcast) said += " from " + std::to_string(root);
  return said + " of " + std::to_string(size) + " " + kStorages[static_cast<int>(storage)];
}

std::string Call::where(const std::vector<std::string>& hosts) const {
  if (signature.kind == Kind::meet) return "making " + group.text();
  if (!isMessage())
    return signature.text() + ", #" + std::to_string(signature.number) + " of " + group.text();
  const std::string other = nameRank(hosts, group.ranks[static_cast<size_t>(peer)]);
  return signature.text() + (signature.kind == Kind::send ? " to " : " from ") + other + " in " +
         group.text();
}

bool Call::advance() {
  if (waitingFor != nullptr) {
    int arrived = 0;
    check(MPI_Testall(static_cast<int>(waitingFor->size()), waitingFor->data(), &arrived,
                      MPI_STATUSES_IGNORE),
          "MPI_Testall");
    if (!arrived) return false;
    waitingFor = nullptr;
  }
  (suspended ? std::exchange(suspended, nullptr) : program.handle).resume();
  if (program.handle.done()) program.await_resume();  // throws what the program threw
  return true;
}

}  // namespace tessera
