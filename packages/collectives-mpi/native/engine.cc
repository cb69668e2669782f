// See engine.h.
#include "engine.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "survey.h"

namespace tessera {
namespace {

/** Rounds without progress before the thread leaves the core to others for a while. */
constexpr int kSpin = 200;
constexpr auto kNap = std::chrono::microseconds(20);
/** How often a rank with nothing under way looks for questions of others. */
constexpr auto kIdle = std::chrono::milliseconds(5);
/** An abort that has not ended this process by then has failed. */
constexpr auto kAbortPatience = std::chrono::seconds(3);

std::vector<std::string> gatherHosts(int size) {
  char name[MPI_MAX_PROCESSOR_NAME] = {};
  int length = 0;
  MPI_Get_processor_name(name, &length);
  std::vector<char> all(static_cast<size_t>(size) * sizeof(name));
  check(MPI_Allgather(name, sizeof(name), MPI_BYTE, all.data(), sizeof(name), MPI_BYTE, MPI_COMM_WORLD), "MPI_Allgather");
  std::vector<std::string> hosts;
  for (size_t i = 0; i < all.size(); i += sizeof(name)) hosts.emplace_back(&all[i]);
  return hosts;
}

uint64_t hashOf(const std::vector<int>& ranks, uint64_t occurrence) {
  uint64_t hash = 14695981039346656037ull ^ occurrence;
  for (const int rank : ranks) hash = (hash ^ static_cast<uint64_t>(rank)) * 1099511628211ull;
  return hash;
}

const char* const kKinds[] = {"allReduce", "reduceScatter", "allGather", "broadcast", "send", "receive", "barrier"};
const char* const kStorages[] = {"fp32", "int32", "bool", "bf16", "fp16"};
const char* const kOps[] = {"sum", "mean", "max", "min"};

}  // namespace

std::string nameRank(const std::vector<std::string>& hosts, int rank) {
  return "rank " + std::to_string(rank) + " (host " + hosts.at(static_cast<size_t>(rank)) + ")";
}

std::string Signature::text() const {
  std::string said = kKinds[static_cast<int>(kind)];
  if (kind == Kind::barrier) return said;
  if (kind == Kind::allReduce || kind == Kind::reduceScatter) said += std::string(" (") + kOps[static_cast<int>(op)] + ")";
  if (kind == Kind::broadcast) said += " from " + std::to_string(root);
  return said + " of " + std::to_string(size) + " " + kStorages[static_cast<int>(storage)];
}

std::string Group::text() const {
  std::string said = name + " (ranks ";
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (i == 8) return said + ", ... " + std::to_string(ranks.back()) + ")";
    said += (i == 0 ? "" : ", ") + std::to_string(ranks[i]);
  }
  return said + ")";
}

bool Call::advance() {
  bool moved = false;
  while (!program.handle.done()) {
    if (waitingFor != nullptr) {
      int arrived = 0;
      check(MPI_Testall(static_cast<int>(waitingFor->size()), waitingFor->data(), &arrived, MPI_STATUSES_IGNORE), "MPI_Testall");
      if (!arrived) return moved;
      waitingFor = nullptr;
    }
    moved = true;
    (suspended ? std::exchange(suspended, nullptr) : program.handle).resume();
  }
  program.await_resume();  // throws what the program threw
  return true;
}

Engine::Engine(Options options) : options_(options) {
  thread_ = std::thread([this] { run(); });
  try {
    onThread([this] { start(); });
  } catch (...) {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    posted_.notify_one();
    thread_.join();
    throw;
  }
}

void Engine::start() {
  int level = MPI_THREAD_SINGLE;
  check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &level), "MPI_Init_thread");
  if (level < MPI_THREAD_FUNNELED) throw std::runtime_error("this MPI's thread level is single, but must be funneled or higher");
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &facts_.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &facts_.size);
  facts_.library = libraryName();
  facts_.hosts = gatherHosts(facts_.size);
  MPI_Comm control;
  check(MPI_Comm_dup(MPI_COMM_WORLD, &control), "MPI_Comm_dup");
  inquiry_ = std::make_unique<Inquiry>(control, facts_.size, [this](uint64_t key) {
    const auto found = groups_.find(key);
    return found == groups_.end() ? 0 : found->second->called;
  });
}

std::shared_ptr<Group> Engine::makeGroup(const std::string& name, const std::vector<int>& ranks) {
  auto group = std::make_shared<Group>();
  group->name = name;
  group->ranks = ranks;
  group->compares = options_.compares;
  const auto own = std::find(ranks.begin(), ranks.end(), facts_.rank);
  if (own == ranks.end()) throw std::invalid_argument("this rank is not in the group " + name);
  group->rank = static_cast<int>(own - ranks.begin());
  onThread([&] {
    uint64_t occurrence = 0;
    while (groups_.contains(hashOf(ranks, occurrence))) ++occurrence;
    group->key = hashOf(ranks, occurrence);
    MPI_Group all, some;
    check(MPI_Comm_group(MPI_COMM_WORLD, &all), "MPI_Comm_group");
    check(MPI_Group_incl(all, group->size(), ranks.data(), &some), "MPI_Group_incl");
    check(MPI_Comm_create_group(MPI_COMM_WORLD, some, static_cast<int>(group->key % 16384), &group->communicator), "MPI_Comm_create_group");
    check(MPI_Comm_set_errhandler(group->communicator, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    MPI_Group_free(&all);
    MPI_Group_free(&some);
    groups_[group->key] = group;
  });
  return group;
}

void Engine::post(const std::shared_ptr<Call>& call) {
  {
    const std::lock_guard lock(mutex_);
    inbox_.push_back(call);
  }
  posted_.notify_one();
}

void Engine::wait(Call& call) {
  std::unique_lock lock(mutex_);
  ++waiting_;
  ended_.wait(lock, [&] { return call.done; });
  --waiting_;
  if (!call.error.empty()) throw std::runtime_error(call.error);
}

bool Engine::isDone(Call& call) {
  const std::lock_guard lock(mutex_);
  return call.done;
}

void Engine::onThread(std::function<void()> task) {
  bool done = false;
  std::exception_ptr error;
  std::unique_lock lock(mutex_);
  tasks_.push_back([&] {
    try {
      task();
    } catch (...) {
      error = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    done = true;
    ended_.notify_all();
  });
  posted_.notify_one();
  ended_.wait(lock, [&] { return done; });
  if (error) std::rethrow_exception(error);
}

void Engine::run() {
  for (int idleRounds = 0;; ++idleRounds) {
    std::vector<std::shared_ptr<Call>> fresh;
    std::vector<std::function<void()>> tasks;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      fresh.swap(inbox_);
      tasks.swap(tasks_);
    }
    for (const auto& task : tasks) task();
    for (const auto& call : fresh) {
      if (call->isMessage()) {
        messages_.push_back(call);
      } else {
        call->signature.number = ++call->group.called;
        call->group.queue.push_back(call);
      }
    }
    bool busy = !messages_.empty();
    for (const auto& [key, group] : groups_) busy = busy || !group->queue.empty();
    if (inquiry_) inquiry_->serve();
    if (!fresh.empty() || !tasks.empty() || progress()) idleRounds = 0;
    rest(idleRounds, busy);
  }
}

void Engine::rest(int idleRounds, bool busy) {
  std::unique_lock lock(mutex_);
  if (!inbox_.empty() || !tasks_.empty() || stopping_) return;
  if (!busy) {
    posted_.wait_for(lock, kIdle);
  } else if (idleRounds > kSpin * (waiting_ > 0 ? 10 : 1)) {
    posted_.wait_for(lock, kNap);
  } else {
    lock.unlock();
    std::this_thread::yield();
  }
}

bool Engine::progress() {
  bool moved = false;
  for (const auto& [key, group] : groups_) {
    while (!group->queue.empty() && advance(group->queue.front())) {
      moved = true;
      if (!group->queue.front()->done) break;
      group->queue.pop_front();
    }
  }
  // Messages begin in the order of their posting, so that they match in it.
  for (const auto& call : messages_) moved = advance(call) || moved;
  std::erase_if(messages_, [](const auto& call) { return call->done; });
  return moved;
}

bool Engine::advance(const std::shared_ptr<Call>& call) {
  try {
    if (!call->program.handle) call->program = programOf(*call);
    const bool moved = call->advance();
    if (call->program.handle.done()) {
      finish(*call, "");
      return true;
    }
    if (Clock::now() - call->posted < call->limit) return moved;
    if (!inquiry_->isAsking()) inquiry_->ask(call->group);
    if (!inquiry_->isOver(call->group)) return false;
    const uint64_t number = call->isMessage() ? 0 : call->signature.number;
    finish(*call, where(*call) + ": time is up" + inquiry_->findings(call->group, number, facts_.hosts));
  } catch (const std::exception& error) {
    finish(*call, where(*call) + ": " + error.what());
  }
  return true;
}

std::string Engine::where(const Call& call) const {
  if (!call.isMessage()) return call.signature.text() + ", #" + std::to_string(call.signature.number) + " of " + call.group.text();
  const int peer = call.group.ranks[static_cast<size_t>(call.peer)];
  return call.signature.text() + (call.signature.kind == Kind::send ? " to " : " from ") + nameRank(facts_.hosts, peer) + " in " + call.group.text();
}

void Engine::finish(Call& call, std::string error) {
  const std::lock_guard lock(mutex_);
  call.error = std::move(error);
  call.ended = Clock::now();
  call.done = true;
  ended_.notify_all();
}

void Engine::abort(int code) {
  // From a thread of its own, for the communication thread may be stuck in MPI.
  std::thread([code] {
    std::this_thread::sleep_for(kAbortPatience);
    _exit(code);
  }).detach();
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back([code] { MPI_Abort(MPI_COMM_WORLD, code); });
  }
  posted_.notify_one();
  for (;;) pause();
}

void Engine::close() {
  onThread([this] {
    for (const auto& [key, group] : groups_) MPI_Comm_free(&group->communicator);
    groups_.clear();
    inquiry_.reset();
    MPI_Finalize();
  });
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  posted_.notify_one();
  thread_.join();
}

}  // namespace tessera
