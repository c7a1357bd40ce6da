#include "llm/drafter.h"

#include <algorithm>

namespace halftone {
namespace {

constexpr size_t kShortestMatch = 2, kLongestMatch = 6;

/// How many tokens before `end` equal those at the end of the text.
size_t match_length(std::span<const TokenId> text, size_t end) {
  size_t length = 0;
  while (length < std::min(end, kLongestMatch) && text[end - 1 - length] == text[text.size() - 1 - length])
    ++length;
  return length;
}

}  // namespace

std::vector<TokenId> NgramDrafter::guess(std::span<const TokenId> text, int count, Sampler) {
  size_t longest = kShortestMatch - 1, found = 0;
  for (size_t end = text.size(); end-- > kShortestMatch;) {
    const size_t length = match_length(text, end);
    if (length <= longest) continue;
    longest = length;
    found = end;
    if (length == kLongestMatch) break;
  }
  if (found == 0) return {};
  const auto followed = text.subspan(found).first(std::min(text.size() - found, static_cast<size_t>(count)));
  return {followed.begin(), followed.end()};
}

ModelDrafter::ModelDrafter(std::unique_ptr<Engine> engine)
    : engine_(std::move(engine)), sequence_(engine_->new_sequence()) {}

std::vector<TokenId> ModelDrafter::guess(std::span<const TokenId> text, int count, Sampler sampler) {
  const int room = engine_->context() - static_cast<int>(text.size());
  std::vector<TokenId> guesses;
  if (room < 0) return guesses;
  sequence_.keep_common(text);
  const auto unread = text.subspan(static_cast<size_t>(sequence_.length()));
  // Rows that pad the embedding of the model may be more than here.
  if (std::ranges::any_of(unread, [&](TokenId id) { return id >= engine_->info().vocab; })) return guesses;
  std::vector<TokenId> history(text.begin(), text.end());
  auto logits = engine_->append(sequence_, unread);
  while (true) {
    guesses.push_back(sampler.sample(logits, history));
    if (static_cast<int>(guesses.size()) >= std::min(count, room + 1)) return guesses;
    history.push_back(guesses.back());
    logits = engine_->append(sequence_, {&guesses.back(), 1});
  }
}

std::string speculation_refusal(const Graph& graph) {
  for (const Node& node : graph.nodes())
    for (const auto& encoding : node.use_encodings) {
      if (!encoding || encoding->timing != Timing::dynamic) continue;
      if (node.attributes.get_float("outlier_threshold", 0) > 0)
        return fmt::format("{}: which columns are outliers depends on all tokens of a run", node.name);
      if (encoding->granularity.kind == Granularity::Kind::per_tensor)
        return fmt::format("{}: activations have one scale for all tokens of a run", node.name);
    }
  return {};
}

}  // namespace halftone
