#include "tokenizer/unigram.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "tokenizer/unicode.h"

namespace halftone {

namespace {

constexpr double kUnknownPenalty = 10;

Trie trie_of(const Vocabulary& vocabulary, const std::vector<bool>& usable) {
  std::vector<std::pair<std::string_view, int32_t>> entries;
  for (const auto& [piece, id] : vocabulary.ids())
    if (!piece.empty() && usable[static_cast<size_t>(id)]) entries.emplace_back(piece, id);
  return Trie(std::move(entries));
}

}  // namespace

Unigram::Unigram(std::shared_ptr<const Vocabulary> vocabulary, std::vector<double> scores,
                 const std::vector<bool>& usable, std::optional<TokenId> unknown, bool byte_fallback,
                 std::string source)
    : vocabulary_(std::move(vocabulary)),
      scores_(std::move(scores)),
      unknown_(unknown),
      byte_fallback_(byte_fallback),
      source_(std::move(source)),
      trie_(trie_of(*vocabulary_, usable)) {
  double lowest = 0;
  for (size_t id = 0; id < scores_.size(); ++id) {
    if (!std::isfinite(scores_[id]))
      throw InputError("{}: the score of token {} is {}", source_, id, scores_[id]);
    if (usable[id]) lowest = std::min(lowest, scores_[id]);
  }
  unknown_score_ = lowest - kUnknownPenalty;
}

void Unigram::add_unknown(std::string_view text, std::vector<TokenId>& ids) const {
  if (byte_fallback_) {
    std::vector<TokenId> bytes;
    for (char c : text)
      if (auto id = vocabulary_->find(byte_piece(static_cast<unsigned char>(c)))) bytes.push_back(*id);
    if (bytes.size() == text.size()) {
      ids.insert(ids.end(), bytes.begin(), bytes.end());
      return;
    }
  }
  if (!unknown_)
    throw InputError("{}: no piece for \"{}\", and no unknown token", source_, text.substr(0, 80));
  ids.push_back(*unknown_);
}

void Unigram::encode(std::string_view word, std::vector<TokenId>& ids) const {
  struct Best {
    double score = 0;
    size_t begin = std::string_view::npos;
    TokenId id = -1;  // -1: unknown
  };
  std::vector<Best> best(word.size() + 1);  // of the paths that end before each byte
  auto offer = [&](size_t begin, size_t end, double score, TokenId id) {
    Best& target = best[end];
    if (target.begin == std::string_view::npos || score > target.score) target = {score, begin, id};
  };
  for (size_t at = 0; at < word.size();) {
    size_t length = char_length(static_cast<unsigned char>(word[at]));
    double here = best[at].score;
    bool single = false;
    trie_.for_each_prefix(word.substr(at), [&](size_t piece, int32_t id) {
      offer(at, at + piece, here + scores_[static_cast<size_t>(id)], id);
      single = single || piece == length;
    });
    if (!single) offer(at, at + length, here + unknown_score_, -1);
    at += length;
  }
  struct Step {
    size_t begin, end;
    TokenId id;
  };
  std::vector<Step> path;  // from the end
  for (size_t end = word.size(); end > 0; end = path.back().begin) {
    const Best& step = best[end];
    bool fuses = step.id < 0 && !path.empty() && path.back().id < 0;
    if (fuses) {
      path.back().begin = step.begin;
    } else {
      path.push_back({step.begin, end, step.id});
    }
  }
  for (auto step = path.rbegin(); step != path.rend(); ++step) {
    if (step->id >= 0) {
      ids.push_back(step->id);
    } else {
      add_unknown(word.substr(step->begin, step->end - step->begin), ids);
    }
  }
}

}  // namespace halftone
