// SPDX-License-Identifier: Apache-2.0
//
// Captures as other machines, languages and tools write them; what each must give.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kms/readers/captures.h"

namespace keymedic::kms {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1790000000);

struct Variant {
  const char* name;
  const char* expected;  // a code, or a verdict
  const char* text;
};

void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

// clang-format off
const Variant kVariants[] = {
{"Dlv_German_Licensed", "HEALTHY", R"(Softwarelizenzierungsdienst-Version: 10.0.19041.2364

Name: Windows(R), Enterprise edition
Beschreibung: Windows(R) Operating System, VOLUME_KMSCLIENT channel
Aktivierungs-ID: 73111121-5638-40f6-bc11-f1d7b0d64300
Anwendungs-ID: 55c92734-d682-4d71-983e-d6ec3f16059f
Erweiterte PID: 03612-03311-000-000001-03-1031-19041.0000-0612023
Product Key-Kanal: Volume:GVLK
Teil-Product Key: 2YT43
Lizenzstatus: Lizenziert
Ablauf der Volumenaktivierung: 258000 Minute(n) (180 Tag(e))
Verbleibende Windows-Rearm-Anzahl: 1001

Informationen zur letzten Aktivierung:
Schlüsselverwaltungsdienst-Clientinformationen
    Clientcomputer-ID (CMID): 2ffcfc30-6a6a-49ec-92b8-f6150c7df211
    KMS-Computername aus DNS: kms01.contoso.com:1688
    Aktivierungsintervall: 120 Minuten
    Verlängerungsintervall: 10080 Minuten
    KMS-Hostzwischenspeicherung ist aktiviert
)"},
{"Dlv_German_Notification_NotBound", "CLIENT_NEVER_ACTIVATED", R"(Name: Windows(R), Enterprise edition
Beschreibung: Windows(R) Operating System, VOLUME_KMSCLIENT channel
Teil-Product Key: 2YT43
Lizenzstatus: Benachrichtigung
Benachrichtigungsgrund: 0xC004F056.
)"},
{"Dlv_French_CodePage_HostUnreachable", "CLIENT_HOST_UNREACHABLE", "Nom\xA0: Windows(R), Professional edition\n"
"Description\xA0: Windows(R) Operating System, VOLUME_KMSCLIENT channel\n"
"Cl\xE9 de produit partielle\xA0: 3V66T\n\xC9tat de la licence\xA0: Notification\n"
"Raison de la notification\xA0: 0xC004F074.\n"},
{"Dlv_UnknownLanguage_Licensed", "HEALTHY", R"(Ohjelmiston versio: 10.0.26100.1

Nimi: Windows(R), ServerStandard edition
Kuvaus: Windows(R) Operating System, VOLUME_KMSCLIENT channel
Tunnus: 7dc26449-db21-4e09-ba37-28f2958506a6
Sovellus: 55c92734-d682-4d71-983e-d6ec3f16059f
Osittainen avain: MY832
Tila: Kunnossa
Vanhenee: 259100 minuuttia (180 päivää)

Palvelun tiedot
    Koneen nimi DNS-palvelusta: kms01.contoso.com:1688
)"},
{"Dlv_Spanish_Retail", "CLIENT_KEY_NOT_GVLK", R"(Nombre: Windows(R), Professional edition
Descripción: Windows(R) Operating System, RETAIL channel
Clave de producto parcial: 3V66T
Estado de la licencia: Con licencia
)"},
{"Dlv_Mak", "CLIENT_KEY_NOT_GVLK", R"(Name: Windows(R), Enterprise edition
Description: Windows(R) Operating System, VOLUME_MAK channel
Partial Product Key: QXV8P
License Status: Unlicensed
)"},
{"Dlv_HostsOwnKeyNotLicensed", "HOST_NOT_LICENSED", R"(Name: Windows(R), ServerStandard edition
Description: Windows(R) Operating System, VOLUME_KMS_WS19 channel
Partial Product Key: 9VH7X
License Status: Unlicensed

Key Management Service is enabled on this machine
    Current count: -1
    Listening on Port: 1688
    DNS publishing enabled
    KMS priority: Normal
)"},
{"Dlv_Host_Chinese_CountLow", "HOST_COUNT_TOO_LOW", R"(名称: Windows(R), ServerStandard edition
描述: Windows(R) Operating System, VOLUME_KMS_WS19 channel
部分产品密钥: 9VH7X
许可证状态: 已授权

已在此计算机上启用密钥管理服务
    当前计数：3
    正在侦听端口：1688
    已启用 DNS 发布
    KMS 优先级：普通

从客户端接收的密钥管理服务累积请求
    接收的请求总数：40
    接收的失败请求：0
    未授权：12
    已授权：28
    初始宽限期：0
    过期：0
    非正版：0
    通知：0
)"},
{"Dlv_Host_Healthy", "HEALTHY", R"(Name: Windows(R), ServerStandard edition
Description: Windows(R) Operating System, VOLUME_KMS_WS22 channel
Partial Product Key: 9VH7X
License Status: Licensed

Key Management Service is enabled on this machine
    Current count: 50
    Listening on Port: 1688
    DNS publishing enabled
    KMS priority: Normal

Key Management Service cumulative requests received from clients
    Total requests received: 9,826
    Failed requests received: 0
)"},
{"Dlv_Host_PublishingOff", "HOST_DNS_PUBLISHING_OFF", R"(Name: Windows(R), ServerStandard edition
Description: Windows(R) Operating System, VOLUME_KMS_WS22 channel
Partial Product Key: 9VH7X
License Status: Licensed

Key Management Service is enabled on this machine
    Current count: 50
    Listening on Port: 1688
    DNS publishing disabled
    KMS priority: Low
)"},
{"Dlv_HomeEdition", "CLIENT_EDITION_NOT_VOLUME", R"(Software licensing service version: 10.0.19041.2364
Name: Windows(R), Core edition
Description: Windows(R) Operating System, RETAIL channel
Partial Product Key: 8HVX7
License Status: Licensed
)"},
{"Wmi_FormatList_Licensed", "HEALTHY", R"(ApplicationID        : 55c92734-d682-4d71-983e-d6ec3f16059f
Description          : Windows(R) Operating System, VOLUME_KMSCLIENT channel
GracePeriodRemaining : 259000
LicenseStatus        : 1
Name                 : Windows(R), Enterprise edition
PartialProductKey    : 2YT43
)"},
{"Xpr_Permanent", "HEALTHY", "Windows(R), Professional edition:\n    The machine is permanently activated.\n"},
{"Ato_Success", "HEALTHY", R"(Activating Windows(R), Enterprise edition (73111121-5638-40f6-bc11-f1d7b0d64300) ...
Product activated successfully.
)"},
{"Ato_CountTooLow", "CLIENT_COUNT_TOO_LOW", "Error: 0xC004F038 The Software Licensing Service reported that the computer could not be activated. The count reported by your Key Management Service (KMS) is insufficient."},
{"Ato_German", "CLIENT_HOST_UNREACHABLE", "Fehler: 0xC004F074 Vom Softwarelizenzierungsdienst wurde gemeldet ..."},
{"Ato_DnsOnNonCoreEdition", "CLIENT_DNS_NO_SRV", "On a computer running Microsoft Windows non-core edition, run 'slui.exe 0x2a 0x8007232B' to display the error text."},
{"Ato_WrongEdition", "CLIENT_KEY_WRONG_EDITION", "Error: 0xC004F069 On a computer running Microsoft Windows non-core edition, run 'slui.exe 0x2a 0xC004F069' to display the error text.\n"},
{"Bare_NoDnsServer", "CLIENT_DNS_NO_SERVER", "0x8007267C\n"},
{"Event_EventViewerCopy_RpcServer", "CLIENT_HOST_UNREACHABLE", R"(Log Name:      Application
Source:        Microsoft-Windows-Security-SPP
Date:          2/16/2024 5:51:07 PM
Event ID:      12288
Task Category: None
Level:         Information
Keywords:      Classic
User:          N/A
Computer:      pc-017.contoso.com
Description:
The client has sent an activation request to the key management service machine.
Info:
0x800706BA, 0x00000000, kms01.contoso.com:1688, 2ffcfc30-6a6a-49ec-92b8-f6150c7df211, 2024/02/16 17:51, 0, 2, 41760, 73111121-5638-40f6-bc11-f1d7b0d64300, 25
Event Xml:
)"},
{"Event_German_EventViewerCopy", "CLIENT_DNS_NO_SRV", R"(Protokollname: Application
Quelle:        Microsoft-Windows-Security-SPP
Datum:         16.02.2024 18:51:07
Ereignis-ID:   8198
Aufgabenkategorie:Keine
Ebene:         Fehler
Schlüsselwörter:Klassisch
Benutzer:      Nicht zutreffend
Computer:      PC-017
Beschreibung:
Fehler bei der Lizenzaktivierung (slui.exe). Fehlercode:
hr=0x8007232B
)"},
{"Event_UnknownLanguage", "CLIENT_DNS_NO_SRV", R"(Lokin nimi: Application
Lähde: Microsoft-Windows-Security-SPP
Päivämäärä: 16.2.2024 18.51.07
Tunnus: 8198
Taso: Virhe
Kuvaus:
Epäonnistui:
hr=0x8007232B
)"},
{"Event_Pair_12288_12289_Success", "HEALTHY", R"(Source: Microsoft-Windows-Security-SPP
Event ID: 12288
Info:
0x00000000, 0x00000000, kms01:1688, 2ffcfc30-6a6a-49ec-92b8-f6150c7df211, 2012/12/04 07:06, 0, 2, 972, 73111121-5638-40f6-bc11-f1d7b0d64300, 25

Source: Microsoft-Windows-Security-SPP
Event ID: 12289
Info:
0x00000000, 0x00000000, 1, 0, 50, 120, 10080, 2012/12/04 07:06
)"},
{"Event_Pair_CountTooLow", "CLIENT_COUNT_TOO_LOW", R"(# client, event 12288 and 12289:
0x00000000, 0x00000000, kms01:1688, 2ffcfc30-6a6a-49ec-92b8-f6150c7df211, 2012/12/04 07:06, 0, 2, 972, 73111121-5638-40f6-bc11-f1d7b0d64300, 25
# event 12289:
0x0, 0x4000008, 0, 0, 4, 120, 10080, 2012/12/04 07:06
)"},
{"Event_OneLineEach", "CLIENT_COUNT_TOO_LOW", R"(Event 12288: 0x00000000, 0x00000000, kms01:1688, 2ffcfc30-6a6a-49ec-92b8-f6150c7df211, 2012/12/04 07:06, 0, 2, 972, 73111121-5638-40f6-bc11-f1d7b0d64300, 25
Event 12289: 0x0, 0x4000008, 0, 0, 4, 120, 10080, 2012/12/04 07:06
)"},
{"Event_HostRequests_InComment", "HEALTHY", R"(# Key Management Service log of the host, event 12290:
0x00000000,25,PC-1,2ffcfc30-6a6a-49ec-92b8-f6150c7df211,2024/2/16 17:52,0,2,41760,73111121-5638-40f6-bc11-f1d7b0d64300
)"},
{"Ato_InAnsibleOutput", "CLIENT_HOST_UNREACHABLE", R"(fatal: [server]: FAILED! => {"changed": true, "stdout": "Activating Windows(R), ServerStandard edition (8c1c5410-9f39-4805-8c9d-63a07706358f) ...\r\nError: 0xC004F074 The Software Licensing Service reported that the product could not be activated.\r\n"})"},
{"Dlv_PublicHost", "CLIENT_HOST_UNSANCTIONED", R"(Name: Windows(R), Professional edition
Description: Windows(R) Operating System, VOLUME_KMSCLIENT channel
Partial Product Key: 3V66T
License Status: Licensed
Volume activation expiration: 254217 minute(s) (177 day(s))

Key Management Service client information
    Client Machine ID (CMID): 2ffcfc30-6a6a-49ec-92b8-f6150c7df211
    Registered KMS machine name: kms8.example.net:1688
    KMS machine IP address: 13.94.1.2
)"},
{"Event_XmlExport", "CLIENT_DNS_NO_SRV", R"(<?xml version="1.0" encoding="utf-8"?><Events><Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Microsoft-Windows-Security-SPP' Guid='{E23B33B0-C8C9-472C-A5F9-F2BDFEA0F156}' EventSourceName='Software Protection Platform Service'/><EventID Qualifiers='49152'>8198</EventID><TimeCreated SystemTime='2024-02-16T17:51:07.4746785Z'/><EventRecordID>2231</EventRecordID><Channel>Application</Channel><Computer>pc-017</Computer></System><EventData><Data>hr=0x8007232B</Data><Data>RuleId=31e71c49;Action=AutoActivate</Data></EventData></Event><Event xmlns='x'><System><Provider Name='Other'/><EventID>1</EventID></System></Event></Events>)"},
{"Event_ViewerXmlWithTreeMarks", "CLIENT_CLOCK_SKEW", R"(- <Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event">
- <System>
  <Provider Name="Microsoft-Windows-Security-SPP" />
  <EventID Qualifiers="16384">12288</EventID>
  <Channel>Application</Channel>
  </System>
- <EventData>
  <Data>0xC004F06C, 0x00000000, azkms.core.windows.net:1688, 2ffcfc30-6a6a-49ec-92b8-f6150c7df211, 2023/01/04 07:06, 1, 5, 0, 34e1ae55-27f8-4950-8877-7a03be5fb181,</Data>
  </EventData>
  </Event>
)"},
{"Event_GetWinEventJson", "CLIENT_HOST_KEY_MISMATCH", R"([{"Id":7036,"ProviderName":"Service Control Manager","Message":"x"},
{"Message":"License Activation (slui.exe) failed with the following error code:\r\nhr=0xC004F042","Id":8198,"ProviderName":"Microsoft-Windows-Security-SPP","LogName":"Application","MachineName":"pc-017","TimeCreated":"\/Date(1708105867474)\/","Properties":[{"Value":"hr=0xC004F042"},{"Value":"RuleId=1;Trigger=UserLogon"}]}]
)"},
{"Event_WinlogbeatJson", "CLIENT_DNS_NO_SRV", R"({"@timestamp":"2024-02-16T17:51:07.474Z","event":{"code":"8198","provider":"Microsoft-Windows-Security-SPP"},"winlog":{"event_id":"8198","provider_name":"Microsoft-Windows-Security-SPP","channel":"Application","computer_name":"pc-017","event_data":{"param1":"hr=0x8007232B","param2":"RuleId=1"}}})"},
{"Event_GetWinEventTable", "CLIENT_DNS_NO_SRV", R"(   ProviderName: Microsoft-Windows-Security-SPP

TimeCreated                     Id LevelDisplayName Message
-----------                     -- ---------------- -------
16.02.2024 18:51:07           8198 Error            License Activation (slui.exe) failed with the following error code: hr=0x8007232B
)"},
{"Event_Csv", "CLIENT_DNS_NO_SRV", R"(Level,Date and Time,Source,Event ID,Task Category
Error,2/16/2024 5:51:07 PM,Microsoft-Windows-Security-SPP,8198,None,"License Activation (slui.exe) failed with the following error code:
hr=0x8007232B
Command-line arguments:
RuleId=1;Trigger=NetworkAvailable"
)"},
{"Event_WevtutilText", "HOST_DNS_PUBLISH_FAILED", R"(Event[0]:
  Log Name: Key Management Service
  Source: Microsoft-Windows-Security-SPP
  Date: 2024-02-16T17:51:07.474
  Event ID: 12293
  Task: N/A
  Level: Error
  Computer: kms01.contoso.com
  Description:
Publishing the Key Management Service (KMS) to DNS in the 'contoso.com' domain failed.
Info:
0x8007232D
)"},
{"Event_ProseInComment", "CLIENT_HOST_UNREACHABLE", "# the client logs event 8198, error 0x800706BA, every two hours\n"},
{"Event_OnlyStarts", "HEALTHY", "Source: Microsoft-Windows-Security-SPP\nEvent ID: 12321\nDescription:\nToken Based Activation failed.\nHR=0xC004F011\n"},
{"Ospp_Healthy_TwoProducts", "HEALTHY", R"(Microsoft (R) Windows Script Host Version 5.812
---Processing--------------------------
---------------------------------------
PRODUCT ID: 00340-00000-00000-AA538
SKU ID: d450596f-894d-49e0-966a-fd39ed4c4c64
LICENSE NAME: Office 16, Office16ProPlusVL_KMS_Client edition
LICENSE DESCRIPTION: Office 16, VOLUME_KMSCLIENT channel
LICENSE STATUS:  ---LICENSED---
REMAINING GRACE: 174 days  (250560 minute(s) before expiring)
Last 5 characters of installed product key: WFG99
Activation Type Configuration: ALL
        KMS machine name from DNS: kms01.contoso.com:1688
        Activation Interval: 120 minutes
        Renewal Interval: 10080 minutes
        KMS host caching: Enabled
---------------------------------------
PRODUCT ID: 00341-50000-00000-AA019
SKU ID: 6bf301c1-b94a-43e9-ba31-d494598c47fb
LICENSE NAME: Office 16, Office16VisioProVL_KMS_Client edition
LICENSE DESCRIPTION: Office 16, VOLUME_KMSCLIENT channel
LICENSE STATUS:  ---LICENSED---
REMAINING GRACE: 174 days  (250560 minute(s) before expiring)
Last 5 characters of installed product key: RJRJK
---------------------------------------
---Exiting-----------------------------
)"},
{"Ospp_Unreachable", "CLIENT_HOST_UNREACHABLE", R"(SKU ID: d450596f-894d-49e0-966a-fd39ed4c4c64
LICENSE NAME: Office 16, Office16ProPlusVL_KMS_Client edition
LICENSE DESCRIPTION: Office 16, VOLUME_KMSCLIENT channel
LICENSE STATUS:  ---OOB_GRACE---
ERROR CODE: 0xC004F074
ERROR DESCRIPTION: The Software Licensing Service reported that the product could not be activated.
REMAINING GRACE: 20 days  (28800 minute(s) before expiring)
Last 5 characters of installed product key: WFG99
)"},
{"Nslookup_Negative", "CLIENT_DNS_NO_SRV", R"(C:\> nslookup -type=srv _vlmcs._tcp.contoso.com
Server:  dc.contoso.com
Address:  192.168.1.17

*** dc.contoso.com can't find _vlmcs._tcp.contoso.com: Non-existent domain
)"},
{"Nslookup_NegativeGerman", "CLIENT_DNS_NO_SRV", "Server:  dc.contoso.com\nAddress:  192.168.1.17\n\n*** _vlmcs._tcp.contoso.com wurde von dc.contoso.com nicht gefunden: Non-existent domain.\n"},
{"Dig_Negative", "CLIENT_DNS_NO_SRV", R"(; <<>> DiG 9.18.1 <<>> -t srv _vlmcs._tcp.contoso.com
;; Got answer:
;; ->>HEADER<<- opcode: QUERY, status: NXDOMAIN, id: 1
;; QUESTION SECTION:
;_vlmcs._tcp.contoso.com.	IN	SRV
)"},
{"Dig_Positive", "HEALTHY", "$ dig srv _vlmcs._tcp.contoso.com\n;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1\n;; QUESTION SECTION:\n;_vlmcs._tcp.contoso.com.\tIN\tSRV\n\n;; ANSWER SECTION:\n_vlmcs._tcp.contoso.com. 3600 IN\tSRV\t0 0 1688 kms01.contoso.com.\n\n;; ADDITIONAL SECTION:\nkms01.contoso.com.\t3600\tIN\tA\t10.0.0.5\n"},
{"Resolve_Positive", "HEALTHY", R"(Name                      Type   TTL   Section    NameTarget             Priority Weight Port
----                      ----   ---   -------    ----------             -------- ------ ----
_vlmcs._tcp.contoso.com   SRV    3600  Answer     kms01.contoso.com      0        0      1688

Name       : kms01.contoso.com
QueryType  : A
TTL        : 3600
Section    : Additional
IP4Address : 10.0.0.5
)"},
{"Resolve_Negative", "CLIENT_DNS_NO_SRV", "Resolve-DnsName : _vlmcs._tcp.contoso.com : DNS name does not exist\n"},
{"NothingToTell", "INCONCLUSIVE", "Error: 0x80004005 Unspecified error\n"},
};
// clang-format on

class VariantTest : public testing::TestWithParam<Variant> {};

TEST_P(VariantTest, GivesWhatItMust) {
  const std::string expected = GetParam().expected;
  CaptureSet set;
  set.Add("capture.txt", GetParam().text);
  const v1::DiagnoseCapturesResponse response = set.Diagnose(v1::Policy(), kNow);
  SCOPED_TRACE(response.ShortDebugString());
  EXPECT_TRUE(set.unread().empty());
  if (expected == "HEALTHY" || expected == "INCONCLUSIVE") {
    EXPECT_EQ(v1::Verdict_Name(response.verdict()), "VERDICT_" + expected);
    return;
  }
  EXPECT_EQ(response.verdict(), v1::VERDICT_PROBLEMS);
  EXPECT_TRUE(std::any_of(response.findings().begin(), response.findings().end(),
                          [&](const v1::Finding& finding) { return finding.code() == expected; }));
}

INSTANTIATE_TEST_SUITE_P(All, VariantTest, testing::ValuesIn(kVariants),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace keymedic::kms
