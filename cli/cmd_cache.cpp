#include <chrono>
#include <memory>

#include "base/error.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/table.h"
#include "runtime/plan_cache.h"

namespace halftone::cli {
namespace {

struct Options {
  std::string folder;
  bool json = false;
};

std::string folder_of(const Options& options) {
  const std::string folder = options.folder.empty() ? usual_plan_cache() : options.folder;
  if (folder.empty()) throw UsageError("neither XDG_CACHE_HOME nor HOME is set: give --plan-cache DIR");
  return folder;
}

double seconds_ago(fs::file_time_type time) {
  return std::chrono::duration<double>(fs::file_time_type::clock::now() - time).count();
}

std::string age_text(double seconds) {
  if (seconds < 120) return fmt::format("{:.0f} s ago", seconds);
  if (seconds < 2 * 3600) return fmt::format("{:.0f} min ago", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{:.0f} h ago", seconds / 3600);
  return fmt::format("{:.0f} days ago", seconds / 86400);
}

void list(const Options& options) {
  const std::string folder = folder_of(options);
  const auto cache = PlanCache::look(folder);
  const std::vector<PlanCache::Entry> entries = cache ? cache->entries() : std::vector<PlanCache::Entry>();
  uint64_t bytes = 0;
  for (const PlanCache::Entry& entry : entries) bytes += entry.bytes;
  if (options.json) {
    OrderedJson report = {{"folder", folder},
                          {"bytes", bytes},
                          {"limit_bytes", PlanCache::kUsualLimit},
                          {"entries", OrderedJson::array()}};
    for (const PlanCache::Entry& entry : entries)
      report["entries"].push_back({{"file", entry.path.filename().string()},
                                   {"model", entry.model},
                                   {"bytes", entry.bytes},
                                   {"used_seconds_ago", seconds_ago(entry.used)}});
    return print_json(report);
  }
  Table table({{"model", Table::Align::left}, {"size"}, {"used"}, {"file", Table::Align::left}});
  for (const PlanCache::Entry& entry : entries)
    table.add_row({entry.model, bytes_text(static_cast<double>(entry.bytes)),
                   age_text(seconds_ago(entry.used)), entry.path.filename().string()});
  if (!entries.empty()) print_text(table.str());
  print_text(fmt::format("{}: {} plan{}, {} of at most {}\n", folder, entries.size(),
                         entries.size() == 1 ? "" : "s", bytes_text(static_cast<double>(bytes)),
                         bytes_text(static_cast<double>(PlanCache::kUsualLimit))));
}

void clear(const Options& options) {
  const std::string folder = folder_of(options);
  const auto cache = PlanCache::look(folder);
  const uint64_t bytes = cache ? cache->clear() : 0;
  if (options.json) return print_json({{"folder", folder}, {"freed_bytes", bytes}});
  print_text(fmt::format("{}: {} freed\n", folder, bytes_text(static_cast<double>(bytes))));
}

}  // namespace

void add_cache(CLI::App& app) {
  CLI::App* command = app.add_subcommand("cache", "Packed weights that are kept from start to start");
  command->require_subcommand(1);
  auto options = std::make_shared<Options>();
  const auto add = [&](const char* name, const char* help, void (*work)(const Options&)) {
    CLI::App* sub = command->add_subcommand(name, help);
    add_plan_cache_option(*sub, options->folder);
    sub->add_flag("--json", options->json, "Print one JSON object and nothing else");
    sub->callback([options, work] { work(*options); });
  };
  add("list", "Name each plan, its size and when it was used last", list);
  add("clear", "Remove all plans", clear);
  command->footer("Example:\n  halftone cache list\n  halftone cache clear --plan-cache /var/cache/halftone");
}

}  // namespace halftone::cli
