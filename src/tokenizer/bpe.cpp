#include "tokenizer/bpe.h"

#include <algorithm>
#include <bit>
#include <queue>

#include "tokenizer/unicode.h"

namespace halftone {

namespace {

size_t pair_hash(TokenId left, TokenId right) {
  uint64_t key = static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  key *= 0x9E3779B97F4A7C15u;
  return static_cast<size_t>(key ^ key >> 32);
}

}  // namespace

std::vector<Merge> merges_of_all_splits(const Vocabulary& vocabulary, const std::vector<int32_t>& rank) {
  std::vector<Merge> merges;
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    std::string_view piece = vocabulary.piece(id);
    if (rank[static_cast<size_t>(id)] < 0) continue;
    for (size_t at = 0; at < piece.size();) {
      at += char_length(static_cast<unsigned char>(piece[at]));
      if (at >= piece.size()) break;
      auto left = vocabulary.find(piece.substr(0, at));
      auto right = left ? vocabulary.find(piece.substr(at)) : std::nullopt;
      if (left && right) merges.push_back({*left, *right, id, rank[static_cast<size_t>(id)]});
    }
  }
  return merges;
}

MergeTable::MergeTable(const std::vector<Merge>& merges)
    : slots_(std::bit_ceil(merges.size() * 2 + 1), Merge{-1, -1, -1, 0}), mask_(slots_.size() - 1) {
  for (const Merge& merge : merges) {
    size_t slot = pair_hash(merge.left, merge.right) & mask_;
    while (slots_[slot].left >= 0 && (slots_[slot].left != merge.left || slots_[slot].right != merge.right))
      slot = (slot + 1) & mask_;
    slots_[slot] = merge;
  }
}

const Merge* MergeTable::find(TokenId left, TokenId right) const {
  size_t slot = pair_hash(left, right) & mask_;
  for (; slots_[slot].left >= 0; slot = (slot + 1) & mask_)
    if (slots_[slot].left == left && slots_[slot].right == right) return &slots_[slot];
  return nullptr;
}

Bpe::Bpe(std::shared_ptr<const Vocabulary> vocabulary, const std::vector<Merge>& merges, BpeOptions options)
    : vocabulary_(std::move(vocabulary)), merges_(merges), options_(std::move(options)) {
  byte_ids_.resize(256);
  for (unsigned byte = 0; byte < 256; ++byte)
    byte_ids_[byte] = vocabulary_->find(byte_piece(static_cast<unsigned char>(byte))).value_or(-1);
  bool plain = options_.continuing_prefix.empty() && options_.end_suffix.empty();
  if (plain) boundaries_.emplace(vocabulary_);
}

size_t Bpe::part_end(std::string_view text, size_t from) const {
  return boundaries_ ? boundaries_->next(text, from) : text.size();
}

void Bpe::spell(std::string_view word, std::vector<TokenId>& symbols) const {
  bool pending = false;  // an unknown that the next one may join
  auto flush = [&] {
    if (pending) symbols.push_back(*options_.unknown);
    pending = false;
  };
  std::string decorated;
  for (size_t at = 0; at < word.size();) {
    size_t length = char_length(static_cast<unsigned char>(word[at]));
    std::string_view raw = word.substr(at, length);
    std::string_view symbol = raw;
    bool first = at == 0;
    at += length;
    bool last = at >= word.size();
    if ((!first && !options_.continuing_prefix.empty()) || (last && !options_.end_suffix.empty())) {
      decorated = first ? std::string() : options_.continuing_prefix;
      decorated += raw;
      if (last) decorated += options_.end_suffix;
      symbol = decorated;
    }
    if (auto id = vocabulary_->find(symbol)) {
      flush();
      symbols.push_back(*id);
      continue;
    }
    auto byte_id = [&](char c) { return byte_ids_[static_cast<unsigned char>(c)]; };
    if (options_.byte_fallback &&
        std::all_of(symbol.begin(), symbol.end(), [&](char c) { return byte_id(c) >= 0; })) {
      for (char c : symbol) symbols.push_back(byte_id(c));
      continue;
    }
    if (!options_.unknown) continue;
    if (!options_.fuse_unknown) flush();
    pending = true;
  }
  flush();
}

void Bpe::merge(std::vector<TokenId>& symbols, std::vector<TokenId>& ids) const {
  struct Candidate {
    int32_t rank;
    int32_t at;
    TokenId result;
    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };
  auto count = static_cast<int32_t>(symbols.size());
  std::vector<int32_t> before(symbols.size()), after(symbols.size());
  std::vector<Candidate> found;
  auto candidate = [&](int32_t left, int32_t right) -> const Merge* {
    return merges_.find(symbols[static_cast<size_t>(left)], symbols[static_cast<size_t>(right)]);
  };
  for (int32_t i = 0; i < count; ++i) {
    before[static_cast<size_t>(i)] = i - 1;
    after[static_cast<size_t>(i)] = i + 1;
    if (i + 1 == count) break;
    if (const Merge* merge = candidate(i, i + 1)) found.push_back({merge->rank, i, merge->result});
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue(std::greater<>(),
                                                                               std::move(found));
  constexpr TokenId kGone = -1;
  while (!queue.empty()) {
    Candidate top = queue.top();
    queue.pop();
    auto at = static_cast<size_t>(top.at);
    if (symbols[at] == kGone || after[at] >= count) continue;
    auto right = static_cast<size_t>(after[at]);
    const Merge* merge = merges_.find(symbols[at], symbols[right]);
    if (!merge || merge->result != top.result) continue;  // what stood here has merged with others meanwhile
    symbols[at] = top.result;
    symbols[right] = kGone;
    after[at] = after[right];
    if (after[at] < count) {
      before[static_cast<size_t>(after[at])] = top.at;
      if (const Merge* next = candidate(top.at, after[at])) queue.push({next->rank, top.at, next->result});
    }
    if (before[at] >= 0)
      if (const Merge* next = candidate(before[at], top.at))
        queue.push({next->rank, before[at], next->result});
  }
  for (TokenId id : symbols)
    if (id != kGone) ids.push_back(id);
}

void Bpe::encode(std::string_view word, std::vector<TokenId>& ids) const {
  if (options_.ignore_merges) {
    if (auto id = vocabulary_->find(word)) {
      ids.push_back(*id);
      return;
    }
  }
  std::vector<TokenId> symbols;
  symbols.reserve(word.size());
  spell(word, symbols);
  merge(symbols, ids);
}

}  // namespace halftone
