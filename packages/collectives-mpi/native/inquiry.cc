// See inquiry.h.
#include "inquiry.h"

#include <algorithm>

namespace tessera {
namespace {

/** A rank whose communication thread lives answers within milliseconds. */
constexpr auto kPatience = std::chrono::seconds(2);

std::string list(const char* what, const std::vector<int>& ranks, const std::vector<std::string>& hosts) {
  constexpr size_t kMost = 8;
  if (ranks.empty()) return "";
  std::string text = "; ";
  for (size_t i = 0; i < std::min(kMost, ranks.size()); ++i) {
    text += (i == 0 ? "" : ", ") + nameRank(hosts, ranks[i]);
  }
  if (ranks.size() > kMost) text += " and " + std::to_string(ranks.size() - kMost) + " more";
  return text + " " + what;
}

}  // namespace

Inquiry::Inquiry(MPI_Comm control, int size, std::function<uint64_t(uint64_t)> called)
    : control_(control), called_(std::move(called)), answers_(static_cast<size_t>(size)) {
  listen();
}

Inquiry::~Inquiry() {
  MPI_Cancel(&listening_);
  MPI_Wait(&listening_, MPI_STATUS_IGNORE);
}

void Inquiry::listen() {
  check(MPI_Irecv(&heard_, sizeof(heard_), MPI_BYTE, MPI_ANY_SOURCE, 0, control_, &listening_), "MPI_Irecv");
}

void Inquiry::write(int to, Letter letter) {
  auto& [memory, request] = leaving_.emplace_back(std::make_unique<Letter>(letter), MPI_REQUEST_NULL);
  check(MPI_Isend(memory.get(), sizeof(Letter), MPI_BYTE, to, 0, control_, &request), "MPI_Isend");
}

void Inquiry::serve() {
  for (;;) {
    int arrived = 0;
    MPI_Status status;
    check(MPI_Test(&listening_, &arrived, &status), "MPI_Test");
    if (!arrived) break;
    const Letter letter = heard_;
    listen();
    if (letter.isAnswer) {
      answers_[static_cast<size_t>(status.MPI_SOURCE)] = letter.called;
    } else {
      write(status.MPI_SOURCE, {letter.key, called_(letter.key), 1});
    }
  }
  std::erase_if(leaving_, [](auto& letter) {
    int left = 0;
    MPI_Test(&letter.second, &left, MPI_STATUS_IGNORE);
    return left != 0;
  });
}

void Inquiry::ask(const Group& group) {
  asked_ = Clock::now();
  for (const int rank : group.ranks) {
    answers_[static_cast<size_t>(rank)].reset();
    if (rank == group.ranks[static_cast<size_t>(group.rank)]) {
      answers_[static_cast<size_t>(rank)] = group.called;
    } else {
      write(rank, {group.key, 0, 0});
    }
  }
}

bool Inquiry::isOver(const Group& group) const {
  if (Clock::now() - *asked_ > kPatience) return true;
  return std::all_of(group.ranks.begin(), group.ranks.end(),
                     [&](int rank) { return answers_[static_cast<size_t>(rank)].has_value(); });
}

std::string Inquiry::findings(const Group& group, uint64_t number, const std::vector<std::string>& hosts) const {
  std::vector<int> present, late, silent;
  for (const int rank : group.ranks) {
    const auto& answer = answers_[static_cast<size_t>(rank)];
    (!answer ? silent : *answer >= number ? present : late).push_back(rank);
  }
  return list("called it", present, hosts) + list("did not call it", late, hosts) + list("did not answer", silent, hosts);
}

}  // namespace tessera
