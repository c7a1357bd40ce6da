#include <fstream>
#include <gtest/gtest.h>
#include <set>

#include "backend/cpu/cpu.h"
#include "base/error.h"
#include "onnx_suite.h"
#include "shared_files.h"

namespace halftone {
namespace {

// ONNX's own backend tests. tests/testdata/onnx/passing_{raw,frozen}.txt list those that must pass, by the
// references and by the CPU's kernels; tools/onnx_coverage.py adds those that have come to pass, and writes
// docs/onnx-coverage.md. HALFTONE_ONNX_REPORT names a file for what happened to each.

std::set<std::string> read_names(const fs::path& path) {
  std::ifstream file(path);
  std::set<std::string> names;
  for (std::string line; std::getline(file, line);)
    if (!line.empty() && line[0] != '#') names.insert(line.substr(0, line.find('\t')));
  return names;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

/// Name, mode, operators, outcome ("pass" or what went wrong): a line a test.
void report(const std::string& mode, const std::map<std::string, std::string>& outcomes) {
  const char* path = std::getenv("HALFTONE_ONNX_REPORT");
  if (!path) return;
  std::ofstream file(path, std::ios::app);
  for (const OnnxCase& test : onnx_suite()) {
    const std::string& wrong = outcomes.at(test.name);
    std::string line = wrong.empty() ? "pass" : wrong;
    for (char& c : line)
      if (c == '\t' || c == '\n') c = ' ';
    file << test.name << '\t' << mode << '\t' << joined(onnx_operators(test)) << '\t' << line << '\n';
  }
}

void check_suite(const std::string& mode) {
  if (onnx_suite().empty()) GTEST_SKIP() << "no shared material: onnx-node-tests.tar.gz";
  const fs::path list = source_path("tests/testdata/onnx/passing_" + mode + ".txt");
  const std::set<std::string> must_pass = read_names(list);
  const std::set<std::string> core = read_names(shared_path("onnx-core-tests.tsv"));
  ThreadPool threads(2);
  std::map<std::string, std::string> outcomes;
  int passed = 0, passed_core = 0, fresh = 0;
  for (const OnnxCase& test : onnx_suite()) {
    std::string wrong = run_onnx_case(test, mode == "frozen", nullptr, threads);
    if (wrong.empty()) {
      wrong = run_onnx_case(test, mode == "frozen", &cpu_backend(), threads);
      if (!wrong.empty()) wrong = "by the CPU's kernels: " + wrong;
    }
    outcomes[test.name] = wrong;
    passed += wrong.empty();
    passed_core += wrong.empty() && core.count(test.name) > 0;
    fresh += wrong.empty() && must_pass.count(test.name) == 0;
    if (must_pass.count(test.name) > 0) {
      EXPECT_EQ(wrong, "") << test.name << " (" << mode << ")";
    }
  }
  for (const std::string& name : must_pass) {
    EXPECT_EQ(outcomes.count(name), 1u) << name << " is not in the suite";
  }
  fmt::print("{}: {} of {} pass, {} of the {} core tests\n", mode, passed, onnx_suite().size(), passed_core,
             core.size());
  if (fresh > 0) fmt::print("{} of them are not listed yet: run tools/onnx_coverage.py\n", fresh);
  report(mode, outcomes);
}

TEST(OnnxConformance, Raw) {
  check_suite("raw");
}

TEST(OnnxConformance, WithInputsFrozen) {
  check_suite("frozen");
}

}  // namespace
}  // namespace halftone
