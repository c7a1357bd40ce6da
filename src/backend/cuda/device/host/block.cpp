// Compiled without ThreadSanitizer's instrumentation, which is to see what kernels do, not how they are run.

#include "backend/cuda/device/host/block.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <deque>
#include <exception>
#include <fmt/format.h>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <stdexcept>
#include <vector>

#include "backend/cuda/device/host/fiber.h"
#include "backend/cuda/device/host/sanitizer.h"
#include "backend/cuda/device/host/shared_check.h"

namespace halftone::cuda::host {
namespace {

constexpr int kLanes = 32;

/// Orders what comes before a barrier before what comes after it. Two keys in turn: who has left early and
/// comes to the next barrier must not be known to who has not left yet.
struct Meeting {
  char keys[2];
  bool parity = false;
  const void* key() const { return &keys[parity]; }
  void next() { parity = !parity; }
};

struct Copy {
  size_t offset;
  const std::byte* from;
  size_t bytes;
  size_t valid;
};

enum class Waits : uint8_t { nothing, block, warp, exchange, others, ended };

struct Thread {
  int index;
  Waits waits = Waits::nothing;
  std::source_location where;
  std::optional<Fiber> fiber;
  std::vector<std::vector<Copy>> committed;
  std::vector<Copy> copies;
  bool may_see_earlier_kernels = false;
  // What it gives to an exchange.
  const void* given = nullptr;
  size_t given_bytes = 0;
  // For ThreadSanitizer.
  bool fenced = false;
  std::vector<const void*> atomics;  ///< it has used since the last barrier
};

struct Warp {
  int arrived = 0;
  Meeting meeting;
  bool parity = false;
  std::byte slots[2][kLanes * kExchangeBytes];
};

struct Block {
  Index3 index;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::unique_ptr<std::byte[]> shared;
  SharedCheck check;
  Meeting meeting;
  std::vector<const void*> atomics;  ///< that its threads have used before their last barrier
  int at_barrier = 0;
  int ended = 0;
  bool done() const { return ended == static_cast<int>(threads.size()); }
};

/// One launch on this host thread.
struct Run {
  const AnyDeviceKernel kernel;
  const std::vector<std::byte> args;
  const Launch launch;
  ThreadOrder order;
  std::mt19937_64 random;
  FiberPlaces& places;
  LaunchOrder& launches;
  std::exception_ptr failure{};
  Block* block = nullptr;
  Thread* thread = nullptr;

  void run();
  std::unique_ptr<Block> start(int64_t position);
  void live(Thread& t);
  void advance(Block& b);
  void resume(Block& b, Thread& t);
  void settle(Block& b, Thread& t);
  void release_block(Block& b);
  void release_warp(Block& b, int w);
  [[noreturn]] void stuck(const Block& b);
};

thread_local Run* current = nullptr;

std::string place(const std::source_location& where) {
  const std::string_view file = where.file_name();
  return fmt::format("{}:{}", file.substr(file.rfind('/') + 1), where.line());
}

bool same_place(const std::source_location& a, const std::source_location& b) {
  return a.line() == b.line() && a.column() == b.column() && std::strcmp(a.file_name(), b.file_name()) == 0;
}

std::string name_of(const Run& run, const Block& b) {
  return fmt::format("kernel {}, block ({}, {}, {})", run.kernel.name, b.index.x, b.index.y, b.index.z);
}

void yield(Waits waits, const std::source_location& where = {}) {
  Thread& t = *current->thread;
  t.waits = waits;
  t.where = where;
  t.fiber->pause();
}

std::unique_ptr<Block> Run::start(int64_t position) {
  auto b = std::make_unique<Block>();
  const Index3& n = launch.blocks;
  const auto part = [](int64_t index) { return static_cast<int>(index); };
  b->index = {part(position % n.x), part(position / n.x % n.y), part(position / n.x / n.y)};
  b->shared = std::make_unique<std::byte[]>(launch.shared_bytes);
  b->check.reset(launch.shared_bytes);
  b->warps.resize(static_cast<size_t>(launch.threads / kLanes));
  b->threads = std::vector<Thread>(static_cast<size_t>(launch.threads));
  for (int i = 0; i < launch.threads; ++i) {
    Thread& t = b->threads[static_cast<size_t>(i)];
    t.index = i;
    t.fiber.emplace(places, [this, &t] { live(t); });
  }
  return b;
}

/// A thread's life.
void Run::live(Thread& t) {
  struct Ordered {
    Run& run;
    explicit Ordered(Run& r) : run(r) { acquire(&run); }
    ~Ordered() { release(run.launches.this_end()); }
  };
  const Ordered ordered(*this);
  try {
    kernel.on_host(args.data());
    if (!t.copies.empty() || !t.committed.empty())
      fault("the thread ended with asynchronous copies that it never waited for");
    if (!t.may_see_earlier_kernels) fault("the thread ended before it waited for earlier kernels");
  } catch (const std::exception&) {
    if (!failure) failure = std::current_exception();
    release(this);
  }
  t.waits = Waits::ended;
}

void Run::resume(Block& b, Thread& t) {
  block = &b;
  thread = &t;
  t.waits = Waits::nothing;
  t.fiber->resume();
  if (failure) {
    acquire(this);
    std::rethrow_exception(failure);
  }
  settle(b, t);
}

/// Accounts for what the thread stopped at, and lets its group go when it was the last.
void Run::settle(Block& b, Thread& t) {
  const int w = t.index / kLanes;
  switch (t.waits) {
    case Waits::block:
      ++b.at_barrier;
      break;
    case Waits::exchange: {
      Warp& group = b.warps[static_cast<size_t>(w)];
      std::memcpy(group.slots[group.parity] + static_cast<size_t>(t.index % kLanes) * kExchangeBytes, t.given,
                  t.given_bytes);
      [[fallthrough]];
    }
    case Waits::warp:
      if (++b.warps[static_cast<size_t>(w)].arrived == kLanes) release_warp(b, w);
      break;
    case Waits::ended:
      ++b.ended;
      break;
    default:
      break;
  }
  if (b.at_barrier > 0 && b.at_barrier + b.ended == launch.threads) release_block(b);
}

void Run::release_block(Block& b) {
  const Thread* first = nullptr;
  for (Thread& t : b.threads) {
    if (t.waits != Waits::block) continue;
    if (!first) first = &t;
    if (!same_place(first->where, t.where))
      throw std::logic_error(fmt::format("{}: a divergent barrier: thread {} waits at {}, thread {} at {}",
                                         name_of(*this, b), first->index, place(first->where), t.index,
                                         place(t.where)));
    t.waits = Waits::nothing;
  }
  for (Thread& t : b.threads) b.atomics.insert(b.atomics.end(), t.atomics.begin(), t.atomics.end());
  for (Thread& t : b.threads) t.atomics.clear();
  b.at_barrier = 0;
  b.check.next_epoch();
  b.meeting.next();
}

void Run::release_warp(Block& b, int w) {
  Warp& group = b.warps[static_cast<size_t>(w)];
  Thread* lanes = &b.threads[static_cast<size_t>(w * kLanes)];
  for (int l = 0; l < kLanes; ++l)
    if (lanes[l].waits != lanes[0].waits || !same_place(lanes[l].where, lanes[0].where))
      throw std::logic_error(fmt::format("{}: a divergent warp: thread {} is at {}, thread {} at {}",
                                         name_of(*this, b), lanes[0].index, place(lanes[0].where),
                                         lanes[l].index, place(lanes[l].where)));
  if (lanes[0].waits == Waits::warp) {
    b.check.next_warp_epoch(w);
    group.meeting.next();
  }
  for (int l = 0; l < kLanes; ++l) lanes[l].waits = Waits::nothing;
  group.arrived = 0;
  group.parity = !group.parity;
}

/// Runs the block until it is done or its threads wait for other blocks.
void Run::advance(Block& b) {
  std::vector<int> turns(b.threads.size());
  std::iota(turns.begin(), turns.end(), 0);
  if (order == ThreadOrder::reverse) std::reverse(turns.begin(), turns.end());
  for (Thread& t : b.threads)
    if (t.waits == Waits::others) t.waits = Waits::nothing;
  while (!b.done()) {
    if (order == ThreadOrder::random) std::shuffle(turns.begin(), turns.end(), random);
    bool ran = false;
    for (int i : turns) {
      Thread& t = b.threads[static_cast<size_t>(i)];
      if (t.waits != Waits::nothing) continue;
      resume(b, t);
      ran = true;
    }
    if (ran) continue;
    if (std::any_of(b.threads.begin(), b.threads.end(),
                    [](const Thread& t) { return t.waits == Waits::others; }))
      return;
    stuck(b);
  }
}

void Run::stuck(const Block& b) {
  std::string text = name_of(*this, b) + ": no thread can go on";
  int told = 0;
  for (const Thread& t : b.threads)
    if (t.waits != Waits::ended &&
        (told == 0 || !same_place(t.where, b.threads[static_cast<size_t>(told - 1)].where))) {
      text += fmt::format("; thread {} waits for its {} at {}", t.index,
                          t.waits == Waits::block ? "block" : "warp", place(t.where));
      told = t.index + 1;
    }
  const auto ended = std::count_if(b.threads.begin(), b.threads.end(),
                                   [](const Thread& t) { return t.waits == Waits::ended; });
  throw std::logic_error(text + fmt::format("; {} threads have ended", ended));
}

void Run::run() {
  const int64_t total = int64_t{launch.blocks.x} * launch.blocks.y * launch.blocks.z;
  std::deque<std::unique_ptr<Block>> waiting;
  int64_t started = 0;
  // With every block started and all of them waiting, another round changes nothing.
  int idle = 0;
  while (started < total || !waiting.empty()) {
    std::unique_ptr<Block> b;
    const bool fresh = started < total;
    if (fresh) {
      b = start(started++);
    } else {
      b = std::move(waiting.front());
      waiting.pop_front();
    }
    const int ended_before = b->ended;
    advance(*b);
    if (b->done()) {
      idle = 0;
      continue;
    }
    idle = fresh || b->ended != ended_before ? 0 : idle + 1;
    waiting.push_back(std::move(b));
    if (idle > 1000 * static_cast<int>(waiting.size()))
      throw std::logic_error(name_of(*this, *waiting.back()) + ": all blocks wait for one another");
  }
}

}  // namespace

void run_grid(const AnyDeviceKernel& kernel, std::span<const std::byte> args, const Launch& launch,
              LaunchOrder& launches, ThreadOrder order, uint64_t seed) {
  if (launch.threads <= 0 || launch.threads % kLanes != 0 || launch.threads > 1024)
    throw std::logic_error(fmt::format("kernel {}: a block of {} threads", kernel.name, launch.threads));
  if (const Index3& n = launch.blocks; n.x < 1 || n.y < 1 || n.z < 1 || n.y > 65535 || n.z > 65535)
    throw std::logic_error(
        fmt::format("kernel {}: a grid of ({}, {}, {}) blocks", kernel.name, n.x, n.y, n.z));
  static thread_local FiberPlaces places;
  assert(!current);
  launches.next();
  const Unwatched unwatched;
  // Not on this stack, which the launching thread goes on with before it waits for the kernel.
  const auto run = std::make_unique<Run>(
      Run{kernel, {args.begin(), args.end()}, launch, order, std::mt19937_64(seed), places, launches});
  release(run.get());
  current = run.get();
  try {
    run->run();
  } catch (...) {
    current = nullptr;
    throw;
  }
  current = nullptr;
}

const Launch& grid() {
  return current->launch;
}
Index3 block_index() {
  return current->block->index;
}
int thread_index() {
  return current->thread->index;
}

void fault(const std::string& what) {
  throw std::logic_error(
      fmt::format("{}, thread {}: {}", name_of(*current, *current->block), thread_index(), what));
}

void wait_for_block(const std::source_location& where) {
  const void* key = current->block->meeting.key();
  release(key);
  yield(Waits::block, where);
  acquire(key);
}
void wait_for_warp(const std::source_location& where) {
  const void* key = current->block->warps[static_cast<size_t>(thread_index() / kLanes)].meeting.key();
  release(key);
  yield(Waits::warp, where);
  acquire(key);
}
void spin() {
  yield(Waits::others);
}

const std::byte* exchange(const void* given, size_t bytes, const std::source_location& where) {
  assert(bytes <= kExchangeBytes);
  Thread& t = *current->thread;
  t.given = given;
  t.given_bytes = bytes;
  Warp& group = current->block->warps[static_cast<size_t>(t.index / kLanes)];
  const std::byte* slots = group.slots[group.parity];
  yield(Waits::exchange, where);
  return slots;
}

void wait_for_earlier_kernels() {
  current->thread->may_see_earlier_kernels = true;
  acquire(current->launches.earlier_end());
}

void fence() {
  if (!kThreadSanitizer) return;
  Thread& t = *current->thread;
  t.fenced = true;
  for (const void* at : t.atomics) acquire(at);
  for (const void* at : current->block->atomics) acquire(at);
}
void store_alike(void* to, const void* from, size_t bytes) {
  if (kThreadSanitizer) {
    const Unwatched unwatched;
    if (std::memcmp(to, from, bytes) == 0) return acquire(to);
  }
  std::memcpy(to, from, bytes);
  release(to);
}
void used_atomic(const void* at, bool written) {
  if (!kThreadSanitizer) return;
  Thread& t = *current->thread;
  if (written && t.fenced) release(at);
  t.atomics.push_back(at);
}

std::byte* shared_bytes() {
  return current->block->shared.get();
}

void check_shared(size_t offset, size_t bytes, bool write) {
  const std::string wrong = write ? current->block->check.write(offset, bytes, thread_index())
                                  : current->block->check.read(offset, bytes, thread_index());
  if (!wrong.empty()) fault(wrong);
}

void queue_copy(size_t offset, const void* from, size_t bytes, size_t valid) {
  const std::string wrong = current->block->check.begin_copy(offset, bytes, thread_index());
  if (!wrong.empty()) fault(wrong);
  touch(from, valid);
  current->thread->copies.push_back({offset, static_cast<const std::byte*>(from), bytes, valid});
}

void commit_copies() {
  Thread& t = *current->thread;
  t.committed.push_back(std::exchange(t.copies, {}));
}

void wait_copies(int pending) {
  Thread& t = *current->thread;
  const size_t landing = t.committed.size() - std::min(t.committed.size(), static_cast<size_t>(pending));
  for (size_t group = 0; group < landing; ++group)
    for (const Copy& copy : t.committed[group]) {
      std::byte* to = shared_bytes() + copy.offset;
      if (copy.valid > 0) std::memcpy(to, copy.from, copy.valid);
      std::memset(to + copy.valid, 0, copy.bytes - copy.valid);
      current->block->check.end_copy(copy.offset, copy.bytes, t.index);
    }
  t.committed.erase(t.committed.begin(), t.committed.begin() + static_cast<std::ptrdiff_t>(landing));
}

}  // namespace halftone::cuda::host
