// SPDX-License-Identifier: Apache-2.0
//
// `keymedic estate`: the estate as a whole, now and as it will be if nothing changes.
#include <algorithm>
#include <iostream>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/times.h"
#include "cli/commands.h"
#include "cli/terminal.h"

namespace keymedic::cli {
namespace {

std::string Day(const google::protobuf::Timestamp& at) {
  return absl::FormatTime("%Y-%m-%d", FromTimestamp(at), absl::UTCTimeZone());
}

std::string EventText(const v1::Forecast& forecast) {
  switch (forecast.event()) {
    case v1::FORECAST_EVENT_LEAVES_LICENSED:
      return "leaves Licensed";
    case v1::FORECAST_EVENT_LEAVES_GRACE:
      return "leaves its grace period";
    case v1::FORECAST_EVENT_LICENSE_ENDS:
      return "its license ends";
    case v1::FORECAST_EVENT_COUNT_FALLS:
      return absl::StrCat("its count falls under ", forecast.threshold());
    default:
      return "";
  }
}

Style StyleOfGroup(const v1::ForecastGroup& group) {
  return group.event() == v1::FORECAST_EVENT_NOT_KNOWN ? Style::kDim : Style::kYellow;
}

void PrintForecast(const v1::ListForecastsResponse& answer, bool color) {
  const v1::ForecastSummary& summary = answer.summary();
  std::cout << "If nothing changes, until " << Day(summary.until()) << ": of " << summary.machines()
            << " machines " << summary.leaving() << " leave the state they are in, "
            << summary.renewing() << " keep renewing, " << summary.permanent()
            << " are licensed without an end";
  if (summary.later() != 0) std::cout << ", " << summary.later() << " leave it later";
  if (summary.not_licensed() != 0)
    std::cout << ", " << summary.not_licensed() << " are not licensed now";
  if (summary.not_known() != 0) std::cout << ", of " << summary.not_known() << " it is not known";
  std::cout << ".\n";
  for (const v1::ForecastGroup& group : summary.groups()) {
    const std::string text = Wrap(group.text(), 2, kTextWidth);
    std::cout << '\n' << Paint(text, StyleOfGroup(group), color) << '\n';
  }
  if (answer.forecasts().empty()) return;
  TextTable table({"ON", "WHO", "WHAT", "CAUSE"});
  for (const v1::Forecast& forecast : answer.forecasts()) {
    const std::string cause =
        forecast.cause_code().empty()
            ? absl::StrCat("none found: ", forecast.reason())
            : absl::StrCat(forecast.cause_code(), " on ", forecast.cause_subject());
    table.Add({Day(forecast.at()), forecast.subject(), EventText(forecast), cause});
  }
  std::cout << '\n';
  table.Print(std::cout, color);
  if (answer.total_size() > answer.forecasts_size()) {
    std::cout << "and " << answer.total_size() - answer.forecasts_size()
              << " more, later; --limit 0 shows all\n";
  }
}

struct ForecastArguments {
  std::string select;
  uint32_t days = 0;
  int limit = 50;
};

int Forecast(const Globals& globals, const ForecastArguments& arguments) {
  constexpr int kPage = 1000;
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  v1::ListForecastsRequest request;
  request.set_filter(arguments.select);
  request.set_days(arguments.days);
  v1::ListForecastsResponse all;
  do {
    const int wanted = arguments.limit == 0 ? kPage : arguments.limit - all.forecasts_size();
    request.set_page_size(std::min(kPage, wanted));
    auto page = Call(**session, (*session)->fleet, &v1::FleetService::Stub::ListForecasts, request);
    if (!page.ok()) return Fail(page.status());
    request.set_page_token(page->next_page_token());
    all.MergeFrom(*page);
    all.set_next_page_token(page->next_page_token());
  } while (!request.page_token().empty() &&
           (arguments.limit == 0 || all.forecasts_size() < arguments.limit));
  if (globals.json()) {
    PrintJson(all);
  } else {
    PrintForecast(all, globals.color());
  }
  return kOk;
}

int Summary(const Globals& globals) {
  auto session = OpenSession(globals);
  if (!session.ok()) return Fail(session.status());
  const auto summary = Call(**session, (*session)->fleet, &v1::FleetService::Stub::GetSummary,
                            v1::GetSummaryRequest());
  if (!summary.ok()) return Fail(summary.status());
  if (globals.json()) {
    PrintJson(*summary);
    return kOk;
  }
  std::cout << summary->machines() << " machines, " << summary->connected() << " connected, "
            << summary->reported() << " reported\n"
            << summary->problems() << " problems on " << summary->machines_affected()
            << " machines\n";
  TextTable table({"MACHINES", "LICENSE"});
  for (const auto& [status, machines] :
       std::map<std::string, uint32_t>(summary->by_status().begin(), summary->by_status().end()))
    table.Add({absl::StrCat(machines), status});
  if (!table.empty()) {
    std::cout << '\n';
    table.Print(std::cout, globals.color());
  }
  return kOk;
}

}  // namespace

void AddEstate(CLI::App& app, Globals& globals, int& exit_code) {
  CLI::App* noun = app.add_subcommand(
      "estate",
      "Examples:\n  keymedic estate forecast\n  keymedic estate forecast --days 30 --select "
      "site=berlin\n  keymedic estate summary\n\nThe estate as a whole, now and as it will be.");
  noun->require_subcommand(1);
  noun->fallthrough();
  CLI::App* forecast = noun->add_subcommand(
      "forecast", "when who leaves Licensed and whose count falls, and what would prevent it");
  forecast->fallthrough();
  auto arguments = std::make_shared<ForecastArguments>();
  forecast->add_option("--days", arguments->days, "how far to look ahead (default 180)")
      ->check(CLI::Range(1, 3650));
  forecast->add_option("--select", arguments->select, "whom: a selector, see docs/selectors.md");
  forecast->add_option("--limit", arguments->limit, "so many lines at most (default 50); 0: all")
      ->check(CLI::NonNegativeNumber);
  forecast->callback(
      [&globals, &exit_code, arguments] { exit_code = Forecast(globals, *arguments); });
  CLI::App* summary = noun->add_subcommand("summary", "machines, problems and licenses, counted");
  summary->fallthrough();
  summary->callback([&globals, &exit_code] { exit_code = Summary(globals); });
}

}  // namespace keymedic::cli
