#include <cstdio>
#include <memory>
#include <unistd.h>

#include "cli/chat_format.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/speculate_options.h"
#include "cli/table.h"
#include "cli/text_model.h"
#include "cli/text_options.h"

namespace halftone::cli {
namespace {

/// Bytes of a prompt whose first token need not wait for packed weights. A longer one is run in so many rows
/// that packing all of them first takes the smaller part of its time.
constexpr size_t kShortPrompt = 256;

struct Options {
  ModelOptions model;
  TextOptions text;
  SpeculateOptions speculate;
  std::string prompt, prompt_file, system, chat_template;
  bool has_prompt = false;
  bool raw = false;
};

std::string read_standard_input() {
  constexpr size_t kLimit = size_t{64} << 20;
  std::string text;
  char part[65536];
  for (size_t count; (count = std::fread(part, 1, sizeof part, stdin)) > 0;) {
    text.append(part, count);
    if (text.size() > kLimit) throw InputError("standard input: the prompt is longer than {} bytes", kLimit);
  }
  return text;
}

std::string prompt_text(const Options& o) {
  if (o.has_prompt && !o.prompt_file.empty()) throw UsageError("give -p or -f, not both");
  if (o.has_prompt) return o.prompt;
  if (!o.prompt_file.empty() && o.prompt_file != "-") return read_text(o.prompt_file, size_t{64} << 20);
  if (o.prompt_file.empty() && isatty(STDIN_FILENO)) throw UsageError("no prompt: give -p TEXT or -f FILE");
  return read_standard_input();
}

/// The prompt's tokens, in the model's conversation format where there is one.
std::vector<TokenId> prompt_tokens(const Options& o, const LlmModel& model, const std::string& prompt,
                                   GenerationOptions& generation) {
  const bool chat = !o.raw && (model.chat_template || !o.chat_template.empty() || !o.system.empty());
  if (!chat) return model.tokenizer->encode(prompt);
  const ChatFormat format = chat_format(o.chat_template, model);
  std::vector<ChatMessage> messages;
  if (!o.system.empty()) messages.push_back({"system", o.system});
  messages.push_back({"user", prompt});
  generation.end_tokens = format.end_tokens;
  generation.stops.insert(generation.stops.end(), format.stops.begin(), format.stops.end());
  const std::string text = format.format.render(messages, true, model.bos_text, model.eos_text);
  return model.tokenizer->encode(text, false);
}

void print_result(const Options& o, const TextModel& text, const std::string& prompt,
                  const Generation& result, const GenerationOptions& generation) {
  const GenerationStats& stats = result.stats;
  const size_t kv_bytes =
      text.engine->kv_bytes_per_token() * static_cast<size_t>(stats.prompt_tokens + stats.generated_tokens);
  if (!o.model.json) {
    fmt::print(stderr,
               "\n{} prompt tokens, {} generated ({}) | TTFT {:.1f} ms | TPOT {:.2f} ms | prefill {:.1f}, "
               "decode {:.1f} "
               "tokens/s | peak memory {} (planned {}), KV cache {}\n",
               stats.prompt_tokens, stats.generated_tokens, stop_reason_name(result.reason), stats.ttft_ms,
               stats.tpot_ms(), stats.prefill_tokens_per_s(), stats.decode_tokens_per_s(),
               bytes_text(static_cast<double>(peak_memory_bytes())), bytes_text(text.planned_bytes),
               bytes_text(static_cast<double>(kv_bytes)));
    if (generation.drafter) fmt::print(stderr, "{}\n", speculation_text(*generation.drafter, stats));
    return;
  }
  OrderedJson report = {{"model", o.model.model},
                        {"prompt", prompt},
                        {"text", result.text},
                        {"token_ids", result.tokens},
                        {"prompt_tokens", stats.prompt_tokens},
                        {"generated_tokens", stats.generated_tokens},
                        {"stop_reason", stop_reason_name(result.reason)},
                        {"seed", generation.sampling.seed},
                        {"ttft_ms", stats.ttft_ms},
                        {"tpot_ms", stats.tpot_ms()},
                        {"prefill_tokens_per_s", stats.prefill_tokens_per_s()},
                        {"decode_tokens_per_s", stats.decode_tokens_per_s()},
                        {"kv_cache_bytes", kv_bytes},
                        {"planned_memory_bytes", text.planned_bytes},
                        {"peak_memory_bytes", peak_memory_bytes()}};
  if (generation.drafter) report["speculation"] = speculation_json(*generation.drafter, stats);
  print_json(report);
}

void run(const Options& o) {
  const std::string prompt = prompt_text(o);
  TextModel text = open_text_model(o.model, prompt.size() + o.system.size() <= kShortPrompt);
  GenerationOptions generation = generation_options(o.text, text.model);
  const std::vector<TokenId> ids = prompt_tokens(o, text.model, prompt, generation);
  const std::unique_ptr<Drafter> drafter = make_drafter(o.speculate, text, o.model);
  generation.drafter = drafter.get();
  generation.draft_tokens = o.speculate.draft_tokens;

  Progress progress("reading the prompt", o.model.json);
  generation.progress = [&](int done, int total) { progress.update(done, total); };
  const Interrupt interrupt;
  const auto show = [&](std::string_view part) {
    if (!part.empty()) progress.finish();
    if (!o.model.json) {
      print_text(part);
      std::fflush(stdout);
    }
    return !interrupt.raised();
  };
  Sequence sequence = text.engine->new_sequence();
  const Generation result = generate(*text.engine, sequence, *text.model.tokenizer, ids, generation, show);
  if (!o.model.json) {
    print_text("\n");
    std::fflush(stdout);
  }
  print_result(o, text, prompt, result, generation);
  if (interrupt.raised()) throw Interrupted();
}

}  // namespace

void add_run(CLI::App& app) {
  CLI::App* command = app.add_subcommand("run", "Continue a prompt");
  auto options = std::make_shared<Options>();
  add_model_options(*command, options->model);
  auto* prompt = command->add_option("-p,--prompt", options->prompt, "The prompt")->type_name("TEXT");
  command->add_option("-f,--file", options->prompt_file, "Read the prompt from a file; -: standard input")
      ->type_name("FILE");
  options->text.max_tokens = 256;
  add_text_options(*command, options->text);
  add_speculate_options(*command, options->speculate);
  command->add_flag("--raw", options->raw,
                    "Continue the prompt as it is, though the model has a chat template");
  command
      ->add_option("--chat-template", options->chat_template,
                   "Put the prompt as a question in this format: " + chat_template_names() + ", or a file")
      ->type_name("NAME|FILE");
  command->add_option("--system,--system-prompt", options->system, "Instructions before the question")
      ->type_name("TEXT");
  command->footer(
      "A model whose files have a chat template gets the prompt as a question, unless --raw is given.\n"
      "The text is printed as it comes, without the prompt; a last line on standard error has times and "
      "memory.\n"
      "--json: text (the continuation alone), token_ids (its tokens), prompt, prompt_tokens, stop_reason,\n"
      "  seed, ttft_ms (to the first token), tpot_ms (each one after), peak_memory_bytes, ...;\n"
      "  with --speculate also speculation: guessed_tokens, accepted_tokens, acceptance, tokens_per_run\n\n"
      "Examples:\n"
      "  halftone run -m zoo/llm -p \"Once upon a time\" --speculate zoo/llm-draft\n"
      "  halftone run -m zoo/llm -p \"Once upon a time\" -n 100 --temp 0.7 --seed 1");
  command->callback([options, prompt] {
    options->has_prompt = prompt->count() > 0;
    run(*options);
  });
}

}  // namespace halftone::cli
