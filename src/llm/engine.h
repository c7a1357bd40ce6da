#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "llm/kv_blocks.h"
#include "models/model.h"
#include "runtime/session.h"
#include "tokenizer/tokenizer.h"

namespace halftone {

struct EngineOptions {
  const Backend* backend = nullptr;  ///< null: scalar references only
  bool exact = false;                ///< activations stay floating point
  int context = 0;                   ///< tokens of one sequence; 0: the model's own, at most kDefaultContext
  int sequences = 1;                 ///< the cache holds this many sequences of full length
  KvFormat kv_format = KvFormat::f16;
  int kv_residual = KvCache::Layout().residual_tokens;  ///< see KvCache::Layout
  int chunk = 512;                                      ///< most tokens in one run of the graph
  std::shared_ptr<const PlanCache> cache{};             ///< of packed weights; null: none
  std::string name{};                                   ///< of the model, for people who list the cache
  bool pack_between_runs = false;                       ///< see CompileOptions
  /// Called as weights are packed: nodes done and in all.
  std::function<void(int done, int total)> progress;
};

/// Longest context that is taken without being asked for, so that a model of 128k tokens does not reserve
/// gigabytes.
inline constexpr int kDefaultContext = 8192;

/// A text in the making: its tokens, whose keys and values lie in the engine's cache.
class Sequence {
 public:
  std::span<const TokenId> tokens() const { return tokens_; }
  int length() const { return static_cast<int>(tokens_.size()); }
  /// Forgets all tokens after the first `length`.
  void truncate(int length);
  /// Keeps what it has in common with `text`, but not all of it: at least one of text's tokens is left to
  /// run. Returns how many tokens it keeps.
  int keep_common(std::span<const TokenId> text);

 private:
  friend class Engine;
  explicit Sequence(KvBlocks& blocks) : table_(blocks) {}
  std::vector<TokenId> tokens_;
  BlockTable table_;
};

/// Runs an LLM over sequences of tokens: a compiled graph, its KV cache, and who owns which block. Not
/// thread-safe.
class Engine {
 public:
  /// The graph is build_llm()'s (or a stored one). Throws UsageError for a context beyond the model's,
  /// ResourceError when the cache does not fit the memory.
  Engine(Graph graph, const EngineOptions& options, ThreadPool& threads);

  /// An empty sequence. The engine must outlive it.
  Sequence new_sequence() { return Sequence(blocks_); }

  /// Tokens that follow a sequence, and how many of the last of them are to give logits.
  struct Feed {
    Sequence* sequence;
    std::span<const TokenId> tokens;  ///< at least one
    int logits = 1;
  };

  /// One run of the graph over all feeds side by side (sequences all different); at least one row of logits
  /// must be asked for. Throws InputError for a token outside the vocabulary or a sequence beyond the
  /// context, ResourceError when the cache is full; the sequences are then as before. Returns before a device
  /// is done.
  void step(std::span<const Feed> feeds);
  /// Appends tokens to one sequence in chunks; logits are those after the last one.
  void extend(Sequence& sequence, std::span<const TokenId> tokens);
  /// Waits until the last step is done.
  void wait();

  /// Of the last step: f32 [rows, vocab], feed after feed, valid until the next. Fetched where they lie on a
  /// device.
  TensorView logits() const { return session_.output("logits"); }
  /// Draws tokens where the logits lie; null where that is the host's memory, or where these settings must be
  /// drawn on the host.
  std::unique_ptr<TokenDrawer> token_drawer(const SamplingOptions& options) const;
  /// A token by token_drawer(), from the last row of the last step.
  TokenId draw(TokenDrawer& drawer, std::span<const TokenId> history) const;

  /// step(), then its logits().
  TensorView run(std::span<const Feed> feeds);
  /// extend(), then its logits, f32 [vocab].
  std::span<const float> append(Sequence& sequence, std::span<const TokenId> tokens);

  /// How many tokens may follow the next one of a sequence of this length and be truncated away again without
  /// a trace, at most `wanted`: none may push a block of an int4 cache so far back that only its codes stay.
  int revocable(int length, int wanted) const;

  const LlmInfo& info() const { return info_; }
  int context() const { return context_; }
  int chunk() const { return chunk_; }
  const Plan& plan() const { return *plan_; }
  Session& session() { return session_; }
  const KvBlocks& blocks() const { return blocks_; }
  KvFormat kv_format() const { return cache_.layout().format; }
  const KvCache::Layout& kv_layout() const { return cache_.layout(); }
  /// Bytes of keys and values of one token, all layers.
  size_t kv_bytes_per_token() const { return KvCache::bytes_per_token(cache_.layout()); }

 private:
  void check(const Feed& feed) const;

  const Backend* backend_;
  std::shared_ptr<const Plan> plan_;
  LlmInfo info_;
  int context_;
  int chunk_;
  KvCache cache_;
  KvBlocks blocks_;
  Session session_;
};

}  // namespace halftone
