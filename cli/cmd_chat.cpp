#include <cstdio>
#include <memory>
#include <unistd.h>

#include "base/file.h"
#include "base/write_file.h"
#include "cli/command.h"
#include "cli/conversation.h"
#include "cli/interrupt.h"
#include "cli/line_editor.h"
#include "cli/speculate_options.h"
#include "cli/table.h"
#include "cli/text_options.h"

namespace halftone::cli {
namespace {

struct Options {
  ModelOptions model;
  TextOptions text;
  SpeculateOptions speculate;
  std::string system, chat_template;
};

constexpr std::string_view kHelp =
    "/reset        forget the conversation\n"
    "/system TEXT  instructions for the model (none: remove them)\n"
    "/stats        times, speed and memory so far\n"
    "/save FILE    write the conversation as JSON\n"
    "/quit         leave (so do Ctrl-D, and Ctrl-C twice)\n"
    "Ctrl-C stops an answer.\n";

OrderedJson messages_json(const Conversation& conversation) {
  OrderedJson list = OrderedJson::array();
  for (const ChatMessage& message : conversation.messages())
    list.push_back({{"role", message.role}, {"content", message.content}});
  return list;
}

double mean(double sum, int count) {
  return count > 0 ? sum / count : 0;
}

/// The model's own options, and the drafter.
GenerationOptions guided(GenerationOptions options, Drafter* drafter, int draft_tokens) {
  options.drafter = drafter;
  options.draft_tokens = draft_tokens;
  return options;
}

std::string stats_text(const Conversation& conversation, const TextModel& text, const Drafter* drafter) {
  const GenerationStats& s = conversation.totals();
  const int after_first = s.generated_tokens - conversation.answers();
  const size_t kv_bytes =
      text.engine->kv_bytes_per_token() * static_cast<size_t>(conversation.cached_tokens());
  const std::string guesses = drafter ? " | " + speculation_text(*drafter, s) : "";
  return fmt::format(
      "{} answer{}, {} tokens generated | TTFT {:.1f} ms, TPOT {:.2f} ms on average | prefill {:.1f}, decode "
      "{:.1f} "
      "tokens/s | {} of {} prompt tokens came from the cache | {} of {} tokens of context used | peak memory "
      "{} (planned {}), KV "
      "cache {}{}\n",
      conversation.answers(), conversation.answers() == 1 ? "" : "s", s.generated_tokens,
      mean(s.ttft_ms, conversation.answers()), mean(s.decode_ms, after_first), s.prefill_tokens_per_s(),
      s.decode_ms > 0 ? after_first * 1000 / s.decode_ms : 0, s.reused_tokens, s.prompt_tokens,
      conversation.cached_tokens(), text.engine->context(),
      bytes_text(static_cast<double>(peak_memory_bytes())), bytes_text(text.planned_bytes),
      bytes_text(static_cast<double>(kv_bytes)), guesses);
}

class Chat {
 public:
  explicit Chat(const Options& options)
      : options_(options),
        text_(open_text_model(options.model)),
        format_(chat_format(options.chat_template, text_.model)),
        drafter_(make_drafter(options.speculate, text_, options.model)),
        conversation_(text_, format_,
                      guided(generation_options(options.text, text_.model), drafter_.get(),
                             options.speculate.draft_tokens)) {
    conversation_.set_system(options.system);
  }

  void run() {
    if (format_.guessed)
      fmt::print(stderr,
                 "halftone: warning: {} has no chat template; using \"{}\" (--chat-template names another)\n",
                 text_.model.name, format_.origin);
    if (editor_.on_terminal() && !options_.model.json)
      fmt::print(stderr, "{}, {} tokens of context, chat template: {}. /help lists commands.\n",
                 text_.model.name, text_.engine->context(), format_.origin);
    bool interrupted = false;
    while (true) {
      interrupt_.clear();
      const auto line = editor_.read("> ");
      if (!line) {
        if (!interrupt_.raised() || interrupted || !editor_.on_terminal()) break;
        note("\n(Ctrl-C again, or Ctrl-D, leaves)\n");
        interrupted = true;
        continue;
      }
      interrupted = false;
      if (line->find_first_not_of(" \t") == std::string::npos) continue;
      if (line->starts_with('/') ? !command(*line) : !question(*line)) break;
    }
    leave();
  }

 private:
  /// False when the program is to end.
  bool command(const std::string& line) {
    const size_t space = std::min(line.find(' '), line.size());
    const std::string name = line.substr(0, space);
    const std::string argument = line.substr(std::min(line.find_first_not_of(' ', space), line.size()));
    if (name == "/quit" || name == "/exit") return false;
    if (name == "/help") {
      note(std::string(kHelp));
    } else if (name == "/reset") {
      conversation_.reset();
      note("The conversation is forgotten.\n");
    } else if (name == "/stats") {
      note(stats_text(conversation_, text_, drafter_.get()));
    } else if (name == "/system") {
      conversation_.set_system(argument);
      note(argument.empty() ? "No instructions.\n" : "Instructions set.\n");
    } else if (name == "/save") {
      return guarded([&] { save(argument); });
    } else {
      note("No such command; /help lists them.\n");
    }
    return true;
  }

  void save(const std::string& path) {
    if (path.empty()) throw UsageError("/save needs a file's name");
    write_file(
        path, messages_json(conversation_).dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n");
    note(fmt::format("{} messages written to {}\n", conversation_.messages().size(), path));
  }

  bool question(const std::string& line) {
    return guarded([&] {
      bool begun = false;
      const auto show = [&](std::string_view part) {
        if (!begun) part.remove_prefix(std::min(part.find_first_not_of(" \n"), part.size()));
        begun = begun || !part.empty();
        if (!options_.model.json) {
          print_text(part);
          std::fflush(stdout);
        }
        return !interrupt_.raised();
      };
      const Generation answer = conversation_.ask(line, show);
      if (!options_.model.json) {
        print_text("\n");
        std::fflush(stdout);
      }
      if (conversation_.dropped_last() > 0)
        note(fmt::format("(the context of {} tokens is full: the {} oldest messages were forgotten)\n",
                         text_.engine->context(), conversation_.dropped_last()));
      if (answer.reason == StopReason::context_full)
        note(fmt::format("(the answer stops here: the context of {} tokens is full)\n",
                         text_.engine->context()));
      if (answer.reason == StopReason::max_tokens)
        note(fmt::format("(the answer stops after {} tokens, as -n says)\n", answer.stats.generated_tokens));
    });
  }

  /// At a terminal an error ends a question, elsewhere the program.
  template <class Work>
  bool guarded(Work work) {
    try {
      work();
    } catch (const Error& error) {
      if (!editor_.on_terminal()) throw;
      fmt::print(stderr, "halftone: error: {}\n", error.what());
    }
    return true;
  }

  void note(const std::string& text) const {
    fmt::print(stderr, "{}", text);
    std::fflush(stderr);
  }

  void leave() {
    if (!options_.model.json) {
      if (editor_.on_terminal()) print_text("\n");
      std::fflush(stdout);
      note(stats_text(conversation_, text_, drafter_.get()));
      return;
    }
    const GenerationStats& s = conversation_.totals();
    const int answers = conversation_.answers();
    OrderedJson report = {{"model", options_.model.model},
                          {"messages", messages_json(conversation_)},
                          {"answers", answers},
                          {"prompt_tokens", s.prompt_tokens},
                          {"reused_tokens", s.reused_tokens},
                          {"generated_tokens", s.generated_tokens},
                          {"ttft_ms", mean(s.ttft_ms, answers)},
                          {"tpot_ms", mean(s.decode_ms, s.generated_tokens - answers)},
                          {"planned_memory_bytes", text_.planned_bytes},
                          {"peak_memory_bytes", peak_memory_bytes()}};
    if (drafter_) report["speculation"] = speculation_json(*drafter_, s);
    print_json(report);
  }

  const Options& options_;
  TextModel text_;
  ChatFormat format_;
  std::unique_ptr<Drafter> drafter_;
  Conversation conversation_;
  Interrupt interrupt_;
  LineEditor editor_;
};

}  // namespace

void add_chat(CLI::App& app) {
  CLI::App* command = app.add_subcommand("chat", "Talk with a model");
  auto options = std::make_shared<Options>();
  add_model_options(*command, options->model);
  add_text_options(*command, options->text);
  add_speculate_options(*command, options->speculate);
  command->add_option("--system,--system-prompt", options->system, "Instructions for the model")
      ->type_name("TEXT");
  command
      ->add_option("--chat-template", options->chat_template,
                   "How the conversation is written (default: as the model's files say): " +
                       chat_template_names() + ", or a file")
      ->type_name("NAME|FILE");
  command->footer(
      "One question a line. Only what is new since the last answer is run; when the context is full, the "
      "oldest\n"
      "turns are forgotten. Ctrl-C stops an answer; /help lists the commands.\n"
      "--json: nothing is printed until the end, then messages, ttft_ms, tpot_ms, peak_memory_bytes, ...\n\n"
      "Example:\n"
      "  halftone chat -m ~/models/Qwen2-0.5B-Instruct --system \"Answer in one sentence.\" --temp 0.7");
  command->callback([options] { Chat(*options).run(); });
}

}  // namespace halftone::cli
