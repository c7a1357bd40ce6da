#include "cli/pass_report.h"

#include <fmt/format.h>

#include "cli/table.h"

namespace halftone::cli {

std::string passes_text(const Plan& plan) {
  Table table({{"pass", Table::Align::left}, {"changes"}, {"ms"}});
  double total = 0;
  for (const PassReport& pass : plan.passes()) {
    table.add_row(
        {std::string(pass.name), std::to_string(pass.changes), fmt::format("{:.2f}", pass.milliseconds)});
    total += pass.milliseconds;
  }
  return table.str() +
         fmt::format("{} nodes after {:.1f} ms of passes\n", plan.graph().nodes().size(), total);
}

OrderedJson passes_json(const Plan& plan) {
  OrderedJson list = OrderedJson::array();
  for (const PassReport& pass : plan.passes())
    list.push_back({{"pass", pass.name}, {"changes", pass.changes}, {"ms", pass.milliseconds}});
  return list;
}

}  // namespace halftone::cli
