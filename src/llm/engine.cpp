#include "llm/engine.h"

#include <algorithm>
#include <numeric>

#include "backend/kv_reader.h"
#include "base/checked.h"
#include "base/error.h"

namespace halftone {
namespace {

constexpr int kBlockTokens = 32;

std::shared_ptr<const Plan> compile_for(Graph graph, const EngineOptions& options, ThreadPool& threads) {
  CompileOptions compile_options;
  compile_options.backend = options.backend;
  compile_options.exact = options.exact;
  compile_options.cache = options.cache;
  compile_options.name = options.name;
  compile_options.pack_between_runs = options.pack_between_runs;
  compile_options.progress = options.progress;
  return compile(std::move(graph), compile_options, threads);
}

int context_for(const LlmInfo& info, int asked) {
  if (asked <= 0) return static_cast<int>(std::min<int64_t>(info.context, kDefaultContext));
  if (asked > info.context)
    throw UsageError("a context of {} tokens was asked for, but this model takes at most {}", asked,
                     info.context);
  return asked;
}

KvCache::Layout layout_for(const Plan& plan, const EngineOptions& options) {
  KvCache::Layout layout = kv_layout(plan.graph());
  layout.block_tokens = kBlockTokens;
  layout.format = options.kv_format;
  layout.residual_tokens = options.kv_residual;
  for (const Step& step : plan.steps())
    if (const auto* reader = dynamic_cast<const KvReader*>(step.prepared.get()))
      layout.order = reader->best_order(layout);
  return layout;
}

/// Where the plan's values lie, the cache lies too.
KvCache::Allocate cache_memory(const Plan& plan) {
  DeviceMemory* memory = plan.memory();
  if (!memory) return {};
  return [memory](size_t bytes) { return memory->allocate(bytes, "the KV cache"); };
}

int cache_blocks(int context, int sequences) {
  return ceil_div(context, kBlockTokens) * sequences;
}

}  // namespace

void Sequence::truncate(int length) {
  if (length >= this->length()) return;
  tokens_.resize(static_cast<size_t>(length));
  table_.resize(length);
}

int Sequence::keep_common(std::span<const TokenId> text) {
  const auto end = std::mismatch(tokens_.begin(), tokens_.end(), text.begin(), text.end() - 1).first;
  truncate(static_cast<int>(end - tokens_.begin()));
  return length();
}

Engine::Engine(Graph graph, const EngineOptions& options, ThreadPool& threads)
    : backend_(options.backend),
      plan_(compile_for(std::move(graph), options, threads)),
      info_(llm_info(plan_->graph())),
      context_(context_for(info_, options.context)),
      chunk_(std::min(options.chunk, context_)),
      cache_(layout_for(*plan_, options), cache_blocks(context_, options.sequences), cache_memory(*plan_)),
      blocks_(cache_.blocks(), kBlockTokens),
      session_(plan_, threads) {
  session_.bind_state("cache", cache_);
}

int Engine::revocable(int length, int wanted) const {
  int most = std::min(wanted, context_ - length - 1);
  while (most > 0 && cache_.far_blocks(length + most) != cache_.far_blocks(length)) --most;
  return std::max(most, 0);
}

void Engine::check(const Feed& feed) const {
  const int64_t length = int64_t{feed.sequence->length()} + static_cast<int64_t>(feed.tokens.size());
  if (length > context_)
    throw InputError("the text has {} tokens, but the context holds {}", length, context_);
  for (TokenId id : feed.tokens)
    if (id < 0 || id >= info_.vocab)
      throw InputError("token {} is outside the model's vocabulary of {}", id, info_.vocab);
}

void Engine::step(std::span<const Feed> feeds) {
  const auto count = static_cast<int64_t>(feeds.size());
  const int64_t blocks_each = ceil_div(context_, kBlockTokens);
  std::vector<int64_t> token_ids, positions, output_rows;
  std::vector<int32_t> sequences, blocks(static_cast<size_t>(count * blocks_each), -1);
  for (const Feed& feed : feeds) {
    check(feed);
    const int past = feed.sequence->length();
    const auto rows = static_cast<int>(feed.tokens.size());
    const auto first = static_cast<int64_t>(token_ids.size());
    sequences.insert(sequences.end(), {static_cast<int32_t>(first), rows, past});
    for (int i = 0; i < rows; ++i) {
      token_ids.push_back(feed.tokens[static_cast<size_t>(i)]);
      positions.push_back(past + i);
      if (i >= rows - feed.logits) output_rows.push_back(first + i);
    }
  }
  const auto view = [](const auto& values, const Shape& shape) {
    using T = typename std::decay_t<decltype(values)>::value_type;
    return TensorView{DTypeOf<T>::value, shape, reinterpret_cast<const std::byte*>(values.data())};
  };
  const auto tokens = static_cast<int64_t>(token_ids.size());
  try {
    for (size_t i = 0; i < feeds.size(); ++i) {
      BlockTable& table = feeds[i].sequence->table_;
      table.resize(feeds[i].sequence->length() + static_cast<int>(feeds[i].tokens.size()));
      std::copy(table.blocks().begin(), table.blocks().end(),
                blocks.begin() + static_cast<std::ptrdiff_t>(i) * blocks_each);
    }
    session_.run({{"token_ids", view(token_ids, {tokens})},
                  {"positions", view(positions, {tokens})},
                  {"sequences", view(sequences, {count, 3})},
                  {"blocks", view(blocks, {count, blocks_each})},
                  {"output_rows", view(output_rows, {static_cast<int64_t>(output_rows.size())})}});
  } catch (...) {
    for (const Feed& feed : feeds) feed.sequence->table_.resize(feed.sequence->length());
    throw;
  }
  for (const Feed& feed : feeds)
    feed.sequence->tokens_.insert(feed.sequence->tokens_.end(), feed.tokens.begin(), feed.tokens.end());
}

void Engine::extend(Sequence& sequence, std::span<const TokenId> tokens) {
  check({&sequence, tokens});
  while (!tokens.empty()) {
    const size_t now = std::min(tokens.size(), static_cast<size_t>(chunk_));
    const Feed feed{&sequence, tokens.first(now)};
    step({&feed, 1});
    tokens = tokens.subspan(now);
  }
}

void Engine::wait() {
  if (DeviceMemory* memory = plan_->memory()) memory->wait();
}

std::unique_ptr<TokenDrawer> Engine::token_drawer(const SamplingOptions& options) const {
  return backend_ ? backend_->token_drawer(options, info_.vocab) : nullptr;
}

TokenId Engine::draw(TokenDrawer& drawer, std::span<const TokenId> history) const {
  const TensorView logits = session_.output_in_place("logits");
  const int64_t last = logits.shape[0] - 1;
  return drawer.draw(reinterpret_cast<const float*>(logits.data) + last * info_.vocab, history);
}

TensorView Engine::run(std::span<const Feed> feeds) {
  step(feeds);
  return logits();
}

std::span<const float> Engine::append(Sequence& sequence, std::span<const TokenId> tokens) {
  extend(sequence, tokens);
  return logits().span<float>();
}

}  // namespace halftone
