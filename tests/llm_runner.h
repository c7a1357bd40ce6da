#pragma once

#include <numeric>

#include "base/checked.h"
#include "models/model.h"
#include "runtime/session.h"

namespace halftone {

/// Runs an LLM's graph on one sequence with a plain cache: what a test needs in place of the engine. Cache
/// blocks are handed out in reverse, so that an order of blocks that is taken for granted shows.
class LlmRunner {
 public:
  LlmRunner(Graph graph, const Backend* backend, KvFormat format = KvFormat::f32, int block_tokens = 5)
      : info_(llm_info(graph)),
        cache_(layout(graph, format, block_tokens), blocks_needed(block_tokens), memory_of(backend)) {
    CompileOptions options;
    options.backend = backend;
    session_.emplace(compile(std::move(graph), options, threads_), threads_);
    session_->bind_state("cache", cache_);
  }

  const LlmInfo& info() const { return info_; }

  /// Takes the sequence's next tokens and returns the logits of each of them, [tokens, vocab].
  std::vector<float> append(std::span<const int64_t> ids) {
    const auto count = static_cast<int64_t>(ids.size());
    std::vector<int64_t> positions(ids.size()), rows(ids.size());
    std::iota(positions.begin(), positions.end(), past_);
    std::iota(rows.begin(), rows.end(), 0);
    std::vector<int32_t> blocks(static_cast<size_t>(cache_.blocks()));
    for (size_t i = 0; i < blocks.size(); ++i) blocks[i] = static_cast<int32_t>(blocks.size() - 1 - i);
    const int32_t sequence[] = {0, static_cast<int32_t>(count), static_cast<int32_t>(past_)};
    auto view = [](auto& values, const Shape& shape) {
      using T = std::remove_cvref_t<decltype(values[0])>;
      return TensorView{DTypeOf<T>::value, shape, reinterpret_cast<const std::byte*>(&values[0])};
    };
    session_->run({{"token_ids", view(ids, {count})},
                   {"positions", view(positions, {count})},
                   {"sequences", view(sequence, {1, 3})},
                   {"blocks", view(blocks, {1, static_cast<int64_t>(blocks.size())})},
                   {"output_rows", view(rows, {count})}});
    past_ += count;
    const auto logits = session_->output("logits").span<float>();
    return {logits.begin(), logits.end()};
  }

 private:
  static KvCache::Layout layout(const Graph& graph, KvFormat format, int block_tokens) {
    KvCache::Layout layout = kv_layout(graph);
    layout.format = format;
    layout.block_tokens = block_tokens;
    return layout;
  }
  static KvCache::Allocate memory_of(const Backend* backend) {
    DeviceMemory* memory = backend ? backend->memory() : nullptr;
    if (!memory) return {};
    return [memory](size_t bytes) { return memory->allocate(bytes, "the KV cache"); };
  }
  int blocks_needed(int block_tokens) const {
    return static_cast<int>(ceil_div(info_.context, static_cast<int64_t>(block_tokens)));
  }

  ThreadPool threads_{1};
  LlmInfo info_;
  KvCache cache_;
  std::optional<Session> session_;
  int64_t past_ = 0;
};

}  // namespace halftone
