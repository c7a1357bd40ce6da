#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <fmt/ranges.h>
#include <malloc.h>
#include <new>
#include <unistd.h>

#include "backend/cpu/cpu.h"
#include "base/error.h"
#include "base/file.h"
#include "base/suggest.h"
#include "cli/command.h"
#include "cli/interrupt.h"

namespace halftone::cli {
namespace {

/// One line of bearable length, whatever names from files it holds: no ends of lines, nothing that moves the
/// cursor.
std::string one_line(std::string text) {
  constexpr size_t kMost = 2000, kKept = kMost / 2;
  for (char& c : text) {
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
    if ((c >= 0 && c < ' ') || c == 127) c = '?';
  }
  text.erase(text.find_last_not_of(' ') + 1);
  if (text.size() > kMost) text.replace(kKept, text.size() - 2 * kKept, " [...] ");
  return text;
}

int complain(const char* kind, const std::string& what, ExitCode code) {
  const std::string text = one_line(what);
  std::fflush(stdout);
  fmt::print(stderr, "halftone: {}: {}\n", kind, text);
  return static_cast<int>(code);
}

/// CLI11 reports a mistyped command as a missing one, so look first; so with commands of commands (`cache
/// list`).
void check_command_name(const CLI::App& app, int argc, char** argv, const std::string& so_far = "halftone") {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  if (names.empty()) return;
  if (argc < 2) throw UsageError("{} needs one of: {}", so_far, fmt::join(names, ", "));
  if (argv[1][0] == '-') return;
  if (std::find(names.begin(), names.end(), argv[1]) == names.end())
    throw UsageError("no command '{}'{} ({} --help lists them)", argv[1], did_you_mean(argv[1], names),
                     so_far);
  check_command_name(*app.get_subcommand(argv[1]), argc - 1, argv + 1, so_far + " " + argv[1]);
}

int run(int argc, char** argv) {
  CLI::App app("Halftone quantizes neural networks, measures what was lost, and runs them offline.",
               "halftone");
  app.set_version_flag("--version", "halftone " HALFTONE_VERSION);
  app.require_subcommand(1);
  app.footer(
      "halftone COMMAND --help shows a command's options and a worked example.\n"
      "Exit codes: 0 done, 2 bad usage, 3 bad input file, 4 unsupported, 5 out of a resource.");
#define HALFTONE_COMMAND(name) add_##name(app);
#include "cli/commands.inc"
#undef HALFTONE_COMMAND

  if (argc < 2) {
    fmt::print(stderr, "{}", app.help());
    return static_cast<int>(ExitCode::usage);
  }
  check_command_name(app, argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    const auto chosen = app.get_subcommands();
    const std::string command = chosen.empty() ? "halftone" : "halftone " + chosen.front()->get_name();
    throw UsageError("{} ({} --help shows how)", error.what(), command);
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) throw ResourceError("standard output: cannot write");
  return static_cast<int>(ExitCode::ok);
}

/// Blocks of this size and more go back to the system as soon as they are let go. Otherwise what is loaded
/// and packed in turn leaves holes between what stays, and a model takes half as much memory again as it
/// needs.
void return_large_blocks() {
#ifdef M_MMAP_THRESHOLD
  constexpr int kLarge = 128 << 10;
  mallopt(M_MMAP_THRESHOLD, kLarge);
#endif
}

/// Whoever starts us without standard input, output or error must not find what we print in the next file
/// that we open, which would take its number. Printing what was asked for fails; messages go nowhere.
void take_standard_files() {
  const int modes[] = {O_RDONLY, O_RDONLY, O_WRONLY};
  for (int file = 0; file < 3; ++file)
    if (::fcntl(file, F_GETFD) < 0 && ::open("/dev/null", modes[file]) != file) std::abort();
}

/// Models are mapped: a file that was cut short, or a disk that fails, shows as a signal when a page is read.
void tell_lost_page(int signal, siginfo_t* info, void* /*context*/) {
  if (info->si_code != BUS_ADRERR) {  // a bug of ours
    std::signal(signal, SIG_DFL);
    return;
  }
  constexpr std::string_view kText =
      "halftone: error: a file that is in use was cut short, or cannot be read from its disk any more\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kText.data(), kText.size());
  ::_exit(static_cast<int>(ExitCode::input));
}

void watch_mapped_files() {
  struct sigaction action {};
  action.sa_sigaction = tell_lost_page;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &action, nullptr);
}

}  // namespace
}  // namespace halftone::cli

int main(int argc, char** argv) {
  using namespace halftone;
  cli::take_standard_files();
  std::signal(SIGPIPE, SIG_DFL);  // whoever reads our output may stop reading, even if our parent ignores it
  std::signal(SIGXFSZ, SIG_IGN);  // writing past the limit of a file's size fails as on a full disk
  cli::watch_mapped_files();
  cli::return_large_blocks();
  try {
    register_backend(cpu_backend());
    return cli::run(argc, argv);
  } catch (const cli::Interrupted&) {
    std::fflush(stdout);
    std::signal(SIGINT, SIG_DFL);
    return std::raise(SIGINT);
  } catch (const Error& error) {
    return cli::complain("error", error.what(), error.code());
  } catch (const fs::filesystem_error& error) {  // a name too long, a loop of links, a folder not to be read
    return cli::complain("error", error.what(), ExitCode::input);
  } catch (const std::bad_alloc&) {
    return cli::complain("error", "out of memory", ExitCode::resource);
  } catch (const std::exception& error) {
    return cli::complain("internal error", error.what(), static_cast<ExitCode>(1));
  }
}
