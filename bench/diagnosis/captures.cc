// SPDX-License-Identifier: Apache-2.0
#include "bench/diagnosis/captures.h"

#include <functional>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"

namespace keymedic::bench {
namespace {

constexpr char kComputer[] = "pc-0017.contoso.example";
const absl::Time kFirst = absl::FromUnixSeconds(1'789'000'000);

struct Event {
  std::string provider;
  int id = 0;
  std::vector<std::string> data;  // as the provider gave it
  std::string message;            // as Windows writes it around the data
};

// What fills the Application log of a machine, in the lengths in which it does.
Event ForeignEvent(size_t i) {
  switch (i % 8) {
    case 0:
      return {"MsiInstaller",
              1033,
              {"Contoso Reader", "11.0.23", "1033", "0", "Contoso"},
              absl::StrCat("Windows Installer installed the product. Product Name: Contoso Reader. "
                           "Product Version: 11.0.",
                           i % 97,
                           ". Product Language: 1033. Manufacturer: Contoso. Installation success "
                           "or error status: 0.")};
    case 1: {
      std::string trace =
          "Application: ReportServer.exe\nFramework Version: v4.0.30319\nDescription: The process "
          "was terminated due to an unhandled exception.\nException Info: "
          "System.NullReferenceException\n";
      for (int line = 0; line < 14; ++line) {
        absl::StrAppend(&trace, "   at Contoso.Reports.Engine.Layer", line,
                        ".Evaluate(System.Collections.Generic.IEnumerable`1<System.String>, "
                        "Int32, System.DateTime)\n");
      }
      return {".NET Runtime", 1026, {trace}, trace};
    }
    case 2:
      return {"ESENT",
              326,
              {"svchost", absl::StrCat(1000 + i % 9000), "DS_Token_DB", "1", "0"},
              absl::StrCat("svchost (", 1000 + i % 9000,
                           ",D,50) DS_Token_DB: The database engine attached a database (1, "
                           "C:\\WINDOWS\\system32\\SRU\\SRUDB.dat). (Time=0 seconds)\n\nSaved "
                           "Cache: 1 0\nAdditional Data: lgpos = 00000A4D:0022:0127, "
                           "lgposFlushTip = 00000A4D:0022:0127")};
    case 3:
      return {"Windows Error Reporting",
              1001,
              {"1814612973", "5", "crashpad_exp", "Not available", "0"},
              "Fault bucket 1814612973, type 5\nEvent Name: crashpad_exp\nResponse: Not "
              "available\nCab Id: 0\n\nProblem signature:\nP1: msedge.exe\nP2: "
              "119.0.2151.72\nP3: 65533a22\nP4: ntdll.dll\nP5: 10.0.22621.2506\nP6: "
              "bced4b82\nP7: c0000005\nP8: 0000000000064c9c\n\nAttached files:\n\\\\?\\C:\\"
              "ProgramData\\Microsoft\\Windows\\WER\\Temp\\WER.1.tmp.WERInternalMetadata.xml\n"
              "\nAnalysis symbol: \nRechecking for solution: 0\nReport Status: 268435456"};
    case 4:
      return {"VSS", 8224, {}, "The VSS service is shutting down due to idle timeout. "};
    case 5:
      return {"Microsoft-Windows-RestartManager",
              10000,
              {"0", "2026-11-21T08:14:02.1234567Z"},
              "Starting session 0 - \xE2\x80\x8E"
              "2026\xE2\x80\x8E-\xE2\x80\x8E"
              "11\xE2\x80\x8E-\xE2\x80\x8E"
              "21T08:14:02.123456700Z."};
    case 6:
      return {"Microsoft-Windows-Security-SPP",
              16384,
              {"2026-11-22T05:11:47Z", "RulesEngine"},
              "Successfully scheduled Software Protection service for re-start at "
              "2026-11-22T05:11:47Z. Reason: RulesEngine."};
    default:
      return {"SecurityCenter",
              15,
              {"Windows Defender", "SECURITY_PRODUCT_STATE_ON"},
              "Updated Windows Defender status successfully to SECURITY_PRODUCT_STATE_ON."};
  }
}

Event LicensingEvent(size_t i) {
  if (i % 2 == 0) {
    return {"Microsoft-Windows-Security-SPP",
            8198,
            {"hr=0xC004F074",
             "RuleId=31e71c49-8da7-4a2f-ad92-45d98a1c79ba;Action=AutoActivate;AppId=55c92734-d682-"
             "4d71-983e-d6ec3f16059f;SkuId=73111121-5638-40f6-bc11-f1d7b0d64300;"
             "NotificationInterval=1440;Trigger=TimerEvent"},
            "License Activation (slui.exe) failed with the following error "
            "code:\nhr=0xC004F074\nCommand-line arguments:\nRuleId=31e71c49-8da7-4a2f-ad92-"
            "45d98a1c79ba;Action=AutoActivate;AppId=55c92734-d682-4d71-983e-d6ec3f16059f;SkuId="
            "73111121-5638-40f6-bc11-f1d7b0d64300;NotificationInterval=1440;Trigger=TimerEvent"};
  }
  const std::string info =
      "0x00000000, 0xC004F074, kms01.contoso.example:1688, 2ffcfc30-6a6a-49ec-92b8-f6150c7df211, "
      "2026/11/21 08:14, 0, 5, 41760, 73111121-5638-40f6-bc11-f1d7b0d64300, 25";
  return {"Microsoft-Windows-Security-SPP",
          12288,
          {info},
          absl::StrCat("The client has sent an activation request to the key management service "
                       "machine.\nInfo:\n",
                       info)};
}

// One in two hundred is about licensing.
Event EventAt(size_t i) {
  return i % 200 == 100 ? LicensingEvent(i / 200) : ForeignEvent(i * 7 + i / 8);
}

std::string TimeAt(size_t i, const char* format) {
  return absl::FormatTime(format, kFirst + absl::Seconds(37) * static_cast<int64_t>(i),
                          absl::UTCTimeZone());
}

std::string AsText(const Event& event, size_t i) {
  return absl::StrCat(
      "Event[", i, "]:\r\n  Log Name: Application\r\n  Source: ", event.provider,
      "\r\n  Date: ", TimeAt(i, "%Y-%m-%dT%H:%M:%S.0000000Z"), "\r\n  Event ID: ", event.id,
      "\r\n  Task: N/A\r\n  Level: Information\r\n  Opcode: N/A\r\n  Keyword: Classic\r\n  User: "
      "N/A\r\n  User Name: N/A\r\n  Computer: ",
      kComputer, "\r\n  Description: \r\n", absl::StrReplaceAll(event.message, {{"\n", "\r\n"}}),
      "\r\n\r\n");
}

std::string AsXml(const Event& event, size_t i) {
  const auto escape = [](absl::string_view text) {
    return absl::StrReplaceAll(text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}});
  };
  std::string data;
  for (const std::string& value : event.data)
    absl::StrAppend(&data, "<Data>", escape(value), "</Data>");
  return absl::StrCat(
      "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider "
      "Name='",
      event.provider, "'/><EventID Qualifiers='0'>", event.id,
      "</EventID><Version>0</Version><Level>4</Level><Task>0</Task><Opcode>0</Opcode><Keywords>"
      "0x80000000000000</Keywords><TimeCreated SystemTime='",
      TimeAt(i, "%Y-%m-%dT%H:%M:%S.0000000Z"), "'/><EventRecordID>", 4711 + i,
      "</EventRecordID><Correlation/><Execution ProcessID='0' "
      "ThreadID='0'/><Channel>Application</Channel><Computer>",
      kComputer, "</Computer><Security/></System><EventData>", data, "</EventData></Event>\r\n");
}

std::string AsCsv(const Event& event, size_t i) {
  return absl::StrCat(
      "Information,", TimeAt(i, "%m/%d/%Y %H:%M:%S"), ",", event.provider, ",", event.id,
      ",None,\"", absl::StrReplaceAll(event.message, {{"\"", "\"\""}, {"\n", "\r\n"}}), "\"\r\n");
}

// As Get-WinEvent | ConvertTo-Json writes it.
std::string AsJson(const Event& event, size_t i) {
  nlohmann::ordered_json properties = nlohmann::ordered_json::array();
  for (const std::string& value : event.data) properties.push_back({{"Value", value}});
  const int64_t millis = absl::ToUnixMillis(kFirst + absl::Seconds(37) * static_cast<int64_t>(i));
  const nlohmann::ordered_json json = {
      {"Id", event.id},
      {"Version", 0},
      {"Qualifiers", 0},
      {"Level", 4},
      {"Task", 0},
      {"Opcode", 0},
      {"Keywords", 36028797018963968},
      {"RecordId", 4711 + i},
      {"ProviderName", event.provider},
      {"ProviderId", nullptr},
      {"LogName", "Application"},
      {"ProcessId", 0},
      {"ThreadId", 0},
      {"MachineName", kComputer},
      {"UserId", nullptr},
      {"TimeCreated", absl::StrCat("/Date(", millis, ")/")},
      {"ActivityId", nullptr},
      {"LevelDisplayName", "Information"},
      {"OpcodeDisplayName", "Info"},
      {"KeywordsDisplayNames", {"Classic"}},
      {"Properties", properties},
      {"Message", event.message},
  };
  return absl::StrCat(i == 0 ? "" : ",\r\n", json.dump(4));
}

std::string Guid(size_t i) {
  return absl::StrFormat("%08x-6a6a-49ec-92b8-f6150c7d%04x", i * 2654435761u & 0xFFFFFFFF,
                         i & 0xFFFF);
}

std::string Report(size_t i) {
  const bool well = i % 10 != 0;
  return absl::StrCat(
      "Computer: pc-", absl::Dec(i, absl::kZeroPad5),
      ".contoso.example\r\n\r\nSoftware licensing service version: 10.0.22621.2506\r\n\r\n"
      "Name: Windows(R), Enterprise edition\r\n"
      "Description: Windows(R) Operating System, VOLUME_KMSCLIENT channel\r\n"
      "Activation ID: 73111121-5638-40f6-bc11-f1d7b0d64300\r\n"
      "Application ID: 55c92734-d682-4d71-983e-d6ec3f16059f\r\n"
      "Extended PID: 03612-03311-000-000001-03-1033-22621.0000-0612023\r\n"
      "Product Key Channel: Volume:GVLK\r\n"
      "Installation ID: 012345678901234567890123456789012345678901234567890123456789012\r\n"
      "Use License URL: https://activation-v2.sls.microsoft.com/SLActivateProduct/"
      "SLActivateProduct.asmx?configextension=Retail\r\n"
      "Validation URL: https://validation-v2.sls.microsoft.com/SLWGA/slwga.asmx\r\n"
      "Partial Product Key: 2YT43\r\n",
      well ? "License Status: Licensed\r\nVolume activation expiration: 258000 minute(s) (180 "
             "day(s))\r\n"
           : "License Status: Notification\r\nNotification Reason: 0xC004F074.\r\n",
      "Remaining Windows rearm count: 1000\r\nRemaining SKU rearm count: 1000\r\n"
      "Trusted time: 11/21/2026 8:14:02 AM\r\nConfigured Activation Type: All\r\n"
      "Please use slmgr.vbs /ato to activate and update KMS client information in order to update "
      "values.\r\n\r\nMost recent activation information:\r\n"
      "Key Management Service client information\r\n"
      "    Client Machine ID (CMID): ",
      Guid(i),
      "\r\n    KMS machine name from DNS: kms01.contoso.example:1688\r\n"
      "    KMS machine IP address: 10.20.30.40\r\n"
      "    KMS machine extended PID: 03612-00206-568-001234-03-1033-20348.0000-0612023\r\n"
      "    Activation interval: 120 minutes\r\n    Renewal interval: 10080 minutes\r\n"
      "    KMS host caching is enabled\r\n\r\n");
}

Capture OneLog(std::string kind, size_t bytes, const std::string& head, const std::string& tail,
               std::string (*write)(const Event&, size_t)) {
  std::string file = head;
  for (size_t i = 0; file.size() < bytes; ++i) file += write(EventAt(i), i);
  return {std::move(kind), file + tail, 1};
}

Capture Reports(size_t bytes) {
  Capture capture{"dlv", "", 0};
  while (capture.file.size() < bytes) capture.file += Report(capture.machines++);
  return capture;
}

}  // namespace

std::vector<Capture> LargeCaptures(size_t bytes_each) {
  std::vector<Capture> captures;
  captures.push_back(OneLog("text", bytes_each, "", "", &AsText));
  captures.push_back(OneLog("xml", bytes_each, "", "", &AsXml));
  captures.push_back(OneLog("csv", bytes_each,
                            "Level,Date and Time,Source,Event ID,Task Category\r\n", "", &AsCsv));
  captures.push_back(OneLog("json", bytes_each, "[\r\n", "\r\n]\r\n", &AsJson));
  captures.push_back(Reports(bytes_each));
  return captures;
}

}  // namespace keymedic::bench
