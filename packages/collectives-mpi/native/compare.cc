// Whether all ranks of a group make the same call.
#include "channel.h"

namespace tessera {
namespace {

/** Groups this small tell everybody everything: one hop in place of two or more. */
constexpr int kFew = 8;

/** What a rank calls; and what a subtree calls: that it agrees, or two ranks that do not. */
struct Report {
  Signature first, other;
  int32_t firstRank = 0, otherRank = 0;
  int32_t context = 0;
  bool agrees = true;

  void add(const Report& heard) {
    context = std::max(context, heard.context);
    if (!agrees) return;
    if (!heard.agrees) {
      *this = heard;
    } else if (heard.first != first) {
      other = heard.first;
      otherRank = heard.firstRank;
      agrees = false;
    }
  }
};

Program exchange(Call& call, Report& report) {
  const Channel channel(call, kCompare);
  const Report own = report;
  std::vector<Report> heard(call.group.ranks.size(), own);
  Requests requests;
  for (int rank = 0; rank < call.group.size(); ++rank) {
    if (rank == call.group.rank) continue;
    channel.receive(requests, &heard[static_cast<size_t>(rank)], sizeof(Report), rank);
    channel.send(requests, &own, sizeof(Report), rank);
  }
  co_await call.all(requests);
  report = heard.front();
  for (const Report& other : heard) report.add(other);
}

Program throughTree(Call& call, Report& report) {
  const Tree tree(call.group.rank, call.group.size());
  const Channel up(call, kCompare), down(call, kVerdict);
  std::vector<Report> heard(tree.children.size());
  Requests requests;
  for (size_t i = 0; i < heard.size(); ++i)
    up.receive(requests, &heard[i], sizeof(Report), tree.children[i]);
  co_await call.all(requests);
  for (const Report& child : heard) report.add(child);
  if (tree.parent >= 0) {
    up.send(requests, &report, sizeof(Report), tree.parent);
    co_await call.all(requests);
    down.receive(requests, &report, sizeof(Report), tree.parent);
    co_await call.all(requests);
  }
  for (const int child : tree.children) down.send(requests, &report, sizeof(Report), child);
  co_await call.all(requests);
}

}  // namespace

Program compare(Call& call) {
  const Group& group = call.group;
  Report report{call.signature, {},  group.ranks[static_cast<size_t>(group.rank)], 0,
                call.context,   true};
  if (group.size() <= kFew) {
    co_await exchange(call, report);
  } else {
    co_await throughTree(call, report);
  }
  call.context = report.context;
  if (report.agrees) co_return;
  throw std::runtime_error("ranks made different calls: rank " + std::to_string(report.firstRank) +
                           " calls " + report.first.text() + ", but rank " +
                           std::to_string(report.otherRank) + " calls " + report.other.text());
}

}  // namespace tessera
