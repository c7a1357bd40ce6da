#include "backend/cpu/int8/code_multiply.h"

#include <algorithm>
#include <atomic>
#include <new>

#include "backend/cpu/tile/epilogue.h"
#include "base/checked.h"

namespace halftone::cpu {

namespace {

constexpr int64_t kFewOutputs = 8;  ///< of a row: less than a vector

/// Items [next, end): those of one worker, which helps the others afterwards. Product after product it has
/// the same part of the rows, and finds in its core's cache what it wrote there.
struct alignas(64) Share {
  std::atomic<int64_t> next;
  int64_t end;
};

}  // namespace

size_t CodeMultiply::worker_bytes(const CodeWeights& weights) {
  return sizeof(Share) + weights.scratch_bytes() +
         static_cast<size_t>(weights.extent().taps * weights.loops().chunk) * sizeof(void*);
}

size_t CodeMultiply::workspace_bytes(const CodeWeights& weights, int threads) {
  return static_cast<size_t>(threads) * worker_bytes(weights);
}

void CodeMultiply::run_item(int64_t group, int64_t first, int64_t count, int64_t panel, int64_t panels,
                            std::byte* memory) const {
  auto* pointers = reinterpret_cast<const uint8_t**>(memory + weights.scratch_bytes());
  gather(group, first, count, pointers);
  CodeTile tile = weights.tile(group, panel, panels);
  tile.rows = pointers;
  tile.scratch = memory;
  tile.wide = wide;
  tile.row_step = tile.count = count;
  tile.out_step = step();
  CodeFinish finish = weights.finish(group, panel);
  finish.residual_zero = residual_zero;
  tile.places = places ? places + first : nullptr;
  const int64_t out =
      (places ? 0 : first * tile.out_step) + group * weights.extent().outputs + panel * kCodePanel;
  tile.residual = residual ? residual + out : nullptr;
  if (codes) return weights.loops().to_codes(tile, finish, codes + out);
  weights.loops().to_floats(tile, finish, floats + out);
  finish_floats(group, panel, first, count, tile.outputs);
}

void CodeMultiply::finish_floats(int64_t group, int64_t panel, int64_t first, int64_t count,
                                 int64_t outputs) const {
  const bool moved = rescale != 1 || bias || float_residual;
  if (!moved && activation.kind == FusedActivation::Kind::none) return;
  const Epilogue epilogue = make_epilogue(activation);
  const float* added = bias ? bias + group * weights.extent().outputs + panel * kCodePanel : nullptr;
  const int64_t first_output = group * weights.extent().outputs + panel * kCodePanel;
  const auto end = [&](float* y, int64_t many) {
    if (epilogue.has_map) return epilogue.apply(*weights.loops().activations, y, many);
    for (int64_t i = 0; i < many; ++i) y[i] = std::min(std::max(y[i], epilogue.low), epilogue.high);
  };
  // Rows one behind the other are finished as one.
  const bool adjacent = !places && outputs == step();
  for (int64_t row = first; moved && row < first + count; ++row) {
    const int64_t at = row_of_output(row) * step() + first_output;
    float* y = floats + at;
    for (int64_t i = 0; i < outputs; ++i) y[i] *= rescale;
    if (added)
      for (int64_t i = 0; i < outputs; ++i) y[i] += added[i];
    if (float_residual)
      for (int64_t i = 0; i < outputs; ++i) y[i] += float_residual[at + i];
  }
  if (adjacent) return end(floats + first * step(), count * step());
  if (outputs < kFewOutputs && epilogue.has_map) return finish_few(first, count, first_output, outputs, end);
  for (int64_t row = first; row < first + count; ++row)
    end(floats + row_of_output(row) * step() + first_output, outputs);
}

/// Short rows are put together meanwhile, output by output.
template <class End>
void CodeMultiply::finish_few(int64_t first, int64_t count, int64_t output, int64_t outputs, End end) const {
  constexpr int64_t kRows = 64;
  float together[kRows * kFewOutputs];
  float* at[kRows];
  for (int64_t done = 0; done < count; done += kRows) {
    const int64_t part = std::min(kRows, count - done);
    for (int64_t r = 0; r < part; ++r) at[r] = floats + row_of_output(first + done + r) * step() + output;
    for (int64_t i = 0; i < outputs; ++i)
      for (int64_t r = 0; r < part; ++r) together[i * part + r] = at[r][i];
    end(together, part * outputs);
    for (int64_t i = 0; i < outputs; ++i)
      for (int64_t r = 0; r < part; ++r) at[r][i] = together[i * part + r];
  }
}

/// As many as the loops take, of which each thread gets as many as any other.
int64_t CodeMultiply::chunk_rows(int threads) const {
  constexpr int64_t kFewProducts = 100'000;  // of vectors: sooner done than shared
  const int64_t most = weights.loops().chunk, step = rows > 4 * most ? 32 : 16;
  const int64_t products = rows * weights.extent().taps * weights.quads() * weights.panels();
  if (threads == 1 || (rows <= most && products < kFewProducts)) return most;
  const int64_t shares = ceil_div(rows, most * threads) * threads;
  return std::clamp((ceil_div(rows, shares) + step / 2) / step * step, step, most);
}

void CodeMultiply::run(ThreadPool& threads, std::span<std::byte> workspace) const {
  if (rows == 0) return;
  const int64_t groups = weights.extent().groups;
  const int64_t chunk = chunk_rows(threads.size()), chunks = ceil_div(rows, chunk);
  const int64_t blocks = ceil_div(weights.panels(), kCodeBlock);
  // Few rows: the panels are shared out too.
  const int64_t parts =
      threads.size() == 1
          ? 1
          : std::clamp<int64_t>(ceil_div(int64_t{2} * threads.size(), groups * chunks), 1, blocks);
  const int64_t items = groups * chunks * parts;
  const int64_t workers = std::min<int64_t>(threads.size(), items);
  const auto memory_of = [&](int64_t worker) {
    return workspace.data() + static_cast<size_t>(worker) * worker_bytes(weights);
  };
  for (int64_t i = 0; i < workers; ++i)
    new (memory_of(i)) Share{items * i / workers, items * (i + 1) / workers};
  // One piece a worker, so that each has memory of its own.
  threads.parallel_for(workers, 1, [&](int64_t begin, int64_t end) {
    for (int64_t worker = begin; worker < end; ++worker)
      for (int64_t i = 0; i < workers; ++i) {
        Share& share = *std::launder(reinterpret_cast<Share*>(memory_of((worker + i) % workers)));
        for (int64_t item; (item = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;) {
          const int64_t part = item % parts, first = item / parts % chunks * chunk;
          const int64_t panel = blocks * part / parts * kCodeBlock;
          const int64_t last = std::min(blocks * (part + 1) / parts * kCodeBlock, weights.panels());
          run_item(item / parts / chunks, first, std::min(chunk, rows - first), panel, last - panel,
                   memory_of(worker) + sizeof(Share));
        }
      }
  });
}

}  // namespace halftone::cpu
