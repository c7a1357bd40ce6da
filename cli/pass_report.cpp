#include "cli/pass_report.h"

#include <fmt/format.h>

#include "cli/table.h"

namespace halftone::cli {

void add_passes_option(CLI::App& command, bool& passes) {
  command.add_flag("--passes", passes, "Say what each pass over the graph did and its time");
}

std::string passes_text(std::span<const PassReport> passes, size_t nodes) {
  Table table({{"pass", Table::Align::left}, {"changes"}, {"ms"}});
  double total = 0;
  for (const PassReport& pass : passes) {
    table.add_row(
        {std::string(pass.name), std::to_string(pass.changes), fmt::format("{:.2f}", pass.milliseconds)});
    total += pass.milliseconds;
  }
  return table.str() + fmt::format("{} nodes after {:.1f} ms of passes\n", nodes, total);
}

std::string passes_text(const Plan& plan) {
  return passes_text(plan.passes(), plan.graph().nodes().size());
}

OrderedJson passes_json(std::span<const PassReport> passes) {
  OrderedJson list = OrderedJson::array();
  for (const PassReport& pass : passes)
    list.push_back({{"pass", pass.name}, {"changes", pass.changes}, {"ms", pass.milliseconds}});
  return list;
}

}  // namespace halftone::cli
