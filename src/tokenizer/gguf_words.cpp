#include "tokenizer/gguf_words.h"

#include <algorithm>

#include "base/error.h"
#include "tokenizer/words.h"

namespace halftone {

namespace {

struct Entry {
  std::vector<std::string_view> names;
  GgufWords words;
};

const std::string kGpt2(kGpt2Words);
const std::string kLlama3(kLlama3Words);
const std::string kQwen2(kQwen2Words);
const std::string kSuffix = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)";
const std::string kUpper = R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])";
const std::string kLower = R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])";

/// o200k's way: words change where lower case turns to upper.
std::string cased_words(const std::string& suffix, const std::string& digits) {
  const std::string lead = R"([^\r\n\p{L}\p{N}]?)";
  return lead + kUpper + "*" + kLower + "+" + suffix + "|" + lead + kUpper + "+" + kLower + "*" + suffix +
         "|" + digits + R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
}

// The alphabets of deepseek-ai/deepseek-llm's tokenizer.json.
constexpr std::string_view kDeepseekLetters =
    R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚ)"
    R"(\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D})"
    R"(\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3})"
    R"(\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}ℂℇℊ-ℓℕℙ-ℝℤ\x{2126}ℨ\x{212A}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄ)"
    R"(Ⰰ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)";
constexpr std::string_view kAsciiWordOrRest =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

const std::vector<Entry>& entries() {
  static const std::vector<Entry> table = {
      {{"default"}, {{R"([\p{P}\$\+<=>\^~\|]+)", kGpt2, R"(\p{N}+)", "[0-9][0-9][0-9]"}}},
      {{"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
        "jina-v5-nano"},
       {{kLlama3}, true, true}},
      {{"dbrx", "smaug-bpe", "glm4", "chatglm-bpe"}, {{kLlama3}}},
      {{"gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de", "a.x-4.0", "mellum",
        "modern-bert", "mpt", "olmo", "jais", "trillion", "granite-docling", "exaone4"},
       {{kGpt2}}},
      {{"jina-v1-en", "jina-v2-code", "roberta-bpe"}, {{kGpt2}, false, false, true}},
      {{"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"},
       {{R"(\p{N})", kGpt2}}},
      {{"falcon"}, {{R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2, "[0-9][0-9][0-9]"}}},
      {{"qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan", "solar-open",
        "grok-2"},
       {{kQwen2}}},
      {{"deepseek-llm"},
       {{"[\r\n]", std::string(kDeepseekLetters), R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)", R"(\s+$)",
         "[一-龥ࠀ-一가-퟿]+", R"(\p{N}+)"}}},
      {{"deepseek-coder"},
       {{"[\r\n]", R"(\s?\p{L}+)", R"(\s?\p{P}+)", "[一-龥ࠀ-一가-퟿]+", R"(\p{N})"}}},
      {{"deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"},
       {{R"(\p{N}{1,3})", "[一-龥぀-ゟ゠-ヿ]+", std::string(kAsciiWordOrRest)}}},
      {{"poro-chat", "bloom", "gpt3-finnish"}, {{R"( ?[^(\s|.,!?…。，、।۔،)]+)"}}},
      {{"viking"}, {{R"( ?[^(\s|.,!?…。，、।۔،)]+)", R"(\p{N})"}}},
      {{"tekken"}, {{cased_words("", R"(\p{N})")}, true, true}},
      {{"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"}, {{cased_words(kSuffix, R"(\p{N}{1,3})")}}},
      {{"tiny_aya", "cohere2moe"}, {{R"(\d{1,3}(?=(?:\d{3})*\b))", cased_words(kSuffix, R"(\p{N}{1,3})")}}},
      {{"chameleon"},
       {{"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\t\n]|    |  )", R"(\p{N})",
         R"([\p{P}!-/:-@\[-`{-~])", kGpt2},
        false,
        true}},
      {{"superbpe"}, {{R"(\p{N}+)", R"((?=(\d{3})+(?!\d)))"}}},
      {{"bailingmoe", "bailingmoe2", "llada-moe"},
       {{R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)"}}},
      {{"seed-coder"},
       {{R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)"}}},
      {{"qwen35"},
       {{R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}}},
  };
  return table;
}

}  // namespace

GgufWords gguf_words(std::string_view pre, const std::string& source) {
  for (const Entry& entry : entries())
    if (std::find(entry.names.begin(), entry.names.end(), pre) != entry.names.end()) return entry.words;
  throw UnsupportedError("{}: tokenizer.ggml.pre is \"{}\", a way to cut words that is not known", source,
                         pre);
}

std::vector<std::string> gguf_word_names() {
  std::vector<std::string> names;
  for (const Entry& entry : entries()) names.emplace_back(entry.names.front());
  return names;
}

}  // namespace halftone
