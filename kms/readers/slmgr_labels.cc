// SPDX-License-Identifier: Apache-2.0
#include "kms/readers/slmgr_labels.h"

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "kms/readers/shapes.h"

namespace keymedic::kms::readers {
namespace {

struct LabelRow {
  absl::string_view key;
  Field field;
};

constexpr LabelRow kLabels[] = {
    // English, slmgr.
    {"softwarelicensingserviceversion", Field::kVersion},
    {"name", Field::kName},
    {"description", Field::kDescription},
    {"activationid", Field::kActivationId},
    {"applicationid", Field::kApplicationId},
    {"extendedpid", Field::kExtendedPid},
    {"productkeychannel", Field::kKeyChannel},
    {"installationid", Field::kIgnored},
    {"processorcertificateurl", Field::kIgnored},
    {"machinecertificateurl", Field::kIgnored},
    {"uselicenseurl", Field::kIgnored},
    {"productkeycertificateurl", Field::kIgnored},
    {"validationurl", Field::kIgnored},
    {"partialproductkey", Field::kPartialKey},
    {"licensestatus", Field::kStatus},
    {"volumeactivationexpiration", Field::kExpiration},
    {"timebasedactivationexpiration", Field::kExpiration},
    {"automaticvmactivationexpiration", Field::kExpiration},
    {"timeremaining", Field::kExpiration},
    {"notificationreason", Field::kReason},
    {"evaluationenddate", Field::kEvaluationEnd},
    {"remainingwindowsrearmcount", Field::kWindowsRearms},
    {"remainingapprearmcount", Field::kProductRearms},
    {"remainingskurearmcount", Field::kProductRearms},
    {"trustedtime", Field::kTrustedTime},
    {"configuredactivationtype", Field::kActivationType},
    {"clientmachineidcmid", Field::kClientMachineId},
    {"registeredkmssrvrecordlookupdomain", Field::kLookupDomain},
    {"registeredkmsmachinename", Field::kRegisteredHost},
    {"kmsmachinenamefromdns", Field::kDiscoveredHost},
    {"dnsautodiscovery", Field::kNoDiscoveredHost},
    {"kmsmachineipaddress", Field::kHostAddress},
    {"kmsmachineextendedpid", Field::kHostExtendedPid},
    {"activationinterval", Field::kActivationInterval},
    {"renewalinterval", Field::kRenewalInterval},
    {"activationobjectname", Field::kActivationObject},
    {"aodn", Field::kIgnored},
    {"aoextendedpid", Field::kIgnored},
    {"aoactivationid", Field::kIgnored},
    {"guestiaid", Field::kIgnored},
    {"currentcount", Field::kCount},
    {"listeningonport", Field::kPort},
    {"kmspriority", Field::kPriority},
    {"totalrequestsreceived", Field::kTotal},
    {"failedrequestsreceived", Field::kFailed},
    {"requestswithlicensestatusunlicensed", Field::kUnlicensed},
    {"requestswithlicensestatuslicensed", Field::kLicensed},
    {"requestswithlicensestatusinitialgraceperiod", Field::kInitialGrace},
    {"requestswithlicensestatuslicenseexpiredorhardwareoutoftolerance", Field::kAdditionalGrace},
    {"requestswithlicensestatusnongenuinegraceperiod", Field::kNonGenuineGrace},
    {"requestswithlicensestatusnotification", Field::kNotification},
    // The properties of WMI, as PowerShell lists them.
    {"productkeyid", Field::kExtendedPid},
    {"licensestatusreason", Field::kReason},
    {"graceperiodremaining", Field::kExpiration},
    {"clientmachineid", Field::kClientMachineId},
    {"keymanagementservicemachine", Field::kRegisteredHost},
    {"discoveredkeymanagementservicemachinename", Field::kDiscoveredHost},
    {"discoveredkeymanagementservicemachineipaddress", Field::kHostAddress},
    {"keymanagementservicelookupdomain", Field::kLookupDomain},
    {"keymanagementserviceproductkeyid", Field::kHostExtendedPid},
    {"keymanagementservicecurrentcount", Field::kCount},
    {"keymanagementservicelisteningport", Field::kPort},
    // German.
    {"softwarelizenzierungsdienstversion", Field::kVersion},
    {"versiondessoftwarelizenzierungsdiensts", Field::kVersion},
    {"beschreibung", Field::kDescription},
    {"aktivierungsid", Field::kActivationId},
    {"anwendungsid", Field::kApplicationId},
    {"erweitertepid", Field::kExtendedPid},
    {"installationsid", Field::kIgnored},
    {"lizenzstatus", Field::kStatus},
    {"teildesproductkey", Field::kPartialKey},
    {"teildesproductkeys", Field::kPartialKey},
    {"clientcomputeridcmid", Field::kClientMachineId},
    {"kmscomputernameausdns", Field::kDiscoveredHost},
    {"aktivierungsintervall", Field::kActivationInterval},
    {"aktuelleanzahl", Field::kCount},
    // French.
    {"nom", Field::kName},
    {"iddactivation", Field::kActivationId},
    {"clédeproduitpartielle", Field::kPartialKey},
    {"étatdelalicence", Field::kStatus},
    {"iddordinateurclientcmid", Field::kClientMachineId},
    {"écoutesurleport", Field::kPort},
    // Spanish.
    {"versióndelserviciodelicenciasdesoftware", Field::kVersion},
    {"nombre", Field::kName},
    {"descripción", Field::kDescription},
    {"iddeactivación", Field::kActivationId},
    {"iddeaplicación", Field::kApplicationId},
    {"pidextendido", Field::kExtendedPid},
    {"canaldeclavedeproducto", Field::kKeyChannel},
    {"iddeinstalación", Field::kIgnored},
    {"urldevalidación", Field::kIgnored},
    {"urldelalicenciadeuso", Field::kIgnored},
    {"clavedeproductoparcial", Field::kPartialKey},
    {"estadodelalicencia", Field::kStatus},
    {"estadodelicencia", Field::kStatus},
    {"recuentoderearmadodewindowsrestante", Field::kWindowsRearms},
    {"recuentoderearmadosdeskurestantes", Field::kProductRearms},
    {"horadeconfianza", Field::kTrustedTime},
    {"razóndelanotificación", Field::kReason},
    {"iddelequipoclientecmid", Field::kClientMachineId},
    // Chinese (simplified).
    {"软件授权服务器版本", Field::kVersion},
    {"软件授权服务版本", Field::kVersion},
    {"名称", Field::kName},
    {"描述", Field::kDescription},
    {"激活id", Field::kActivationId},
    {"应用程序id", Field::kApplicationId},
    {"扩展pid", Field::kExtendedPid},
    {"产品密钥通道", Field::kKeyChannel},
    {"安装id", Field::kIgnored},
    {"部分产品密钥", Field::kPartialKey},
    {"许可证状态", Field::kStatus},
    {"批量激活过期", Field::kExpiration},
    {"剩余windows重置计数", Field::kWindowsRearms},
    {"剩余sku重置计数", Field::kProductRearms},
    {"信任时间", Field::kTrustedTime},
    {"已配置的激活类型", Field::kActivationType},
    {"客户端计算机idcmid", Field::kClientMachineId},
    {"来自dns的kms计算机名称", Field::kDiscoveredHost},
    {"已注册的kms计算机名称", Field::kRegisteredHost},
    {"kms计算机ip地址", Field::kHostAddress},
    {"kms计算扩展的pid", Field::kHostExtendedPid},
    {"kms计算机扩展的pid", Field::kHostExtendedPid},
    {"激活时间间隔", Field::kActivationInterval},
    {"续订间隔", Field::kRenewalInterval},
};

// The first row with a fragment of the (ASCII lower case) word decides, so what contains another
// stands before it.
struct StatusRow {
  absl::string_view fragment;
  v1::LicenseStatus status;
};

constexpr StatusRow kGraces[] = {
    {"genuin", v1::LICENSE_STATUS_NON_GENUINE_GRACE},
    {"non authentique", v1::LICENSE_STATUS_NON_GENUINE_GRACE},
    {"original", v1::LICENSE_STATUS_NON_GENUINE_GRACE},
    {"正版", v1::LICENSE_STATUS_NON_GENUINE_GRACE},
    {"正規", v1::LICENSE_STATUS_NON_GENUINE_GRACE},
    {"extend", v1::LICENSE_STATUS_EXTENDED_GRACE},
    {"erweitert", v1::LICENSE_STATUS_EXTENDED_GRACE},
    {"prolong", v1::LICENSE_STATUS_EXTENDED_GRACE},
    {"ampli", v1::LICENSE_STATUS_EXTENDED_GRACE},
    {"延长", v1::LICENSE_STATUS_EXTENDED_GRACE},
    {"additional", v1::LICENSE_STATUS_ADDITIONAL_GRACE},
    {"kms", v1::LICENSE_STATUS_ADDITIONAL_GRACE},  // "(KMS license expired or …)"
    {"initial", v1::LICENSE_STATUS_INITIAL_GRACE},
    {"oob", v1::LICENSE_STATUS_INITIAL_GRACE},
    {"inicial", v1::LICENSE_STATUS_INITIAL_GRACE},
    {"inizial", v1::LICENSE_STATUS_INITIAL_GRACE},
    {"erst", v1::LICENSE_STATUS_INITIAL_GRACE},
    {"anf", v1::LICENSE_STATUS_INITIAL_GRACE},
    {"初", v1::LICENSE_STATUS_INITIAL_GRACE},
    {"초기", v1::LICENSE_STATUS_INITIAL_GRACE},
};

constexpr StatusRow kStatuses[] = {
    {"notif", v1::LICENSE_STATUS_NOTIFICATION},
    {"benachricht", v1::LICENSE_STATUS_NOTIFICATION},
    {"通知", v1::LICENSE_STATUS_NOTIFICATION},
    {"알림", v1::LICENSE_STATUS_NOTIFICATION},
    {"ведомлен", v1::LICENSE_STATUS_NOTIFICATION},
    {"powiadom", v1::LICENSE_STATUS_NOTIFICATION},
    {"melding", v1::LICENSE_STATUS_NOTIFICATION},
    {"unlicensed", v1::LICENSE_STATUS_UNLICENSED},
    {"not licensed", v1::LICENSE_STATUS_UNLICENSED},
    {"nicht lizen", v1::LICENSE_STATUS_UNLICENSED},
    {"unlizen", v1::LICENSE_STATUS_UNLICENSED},
    {"sans licence", v1::LICENSE_STATUS_UNLICENSED},
    {"sin licencia", v1::LICENSE_STATUS_UNLICENSED},
    {"senza licenza", v1::LICENSE_STATUS_UNLICENSED},
    {"sem licen", v1::LICENSE_STATUS_UNLICENSED},
    {"não licen", v1::LICENSE_STATUS_UNLICENSED},
    {"未授权", v1::LICENSE_STATUS_UNLICENSED},
    {"未經授權", v1::LICENSE_STATUS_UNLICENSED},
    {"未许可", v1::LICENSE_STATUS_UNLICENSED},
    {"ライセンスなし", v1::LICENSE_STATUS_UNLICENSED},
    {"されていません", v1::LICENSE_STATUS_UNLICENSED},
    {"ез лицензии", v1::LICENSE_STATUS_UNLICENSED},
    {"nielicencj", v1::LICENSE_STATUS_UNLICENSED},
    {"licensed", v1::LICENSE_STATUS_LICENSED},
    {"lizenziert", v1::LICENSE_STATUS_LICENSED},
    {"avec licence", v1::LICENSE_STATUS_LICENSED},
    {"sous licence", v1::LICENSE_STATUS_LICENSED},
    {"con licencia", v1::LICENSE_STATUS_LICENSED},
    {"con licenza", v1::LICENSE_STATUS_LICENSED},
    {"licenciad", v1::LICENSE_STATUS_LICENSED},
    {"已授权", v1::LICENSE_STATUS_LICENSED},
    {"已授權", v1::LICENSE_STATUS_LICENSED},
    {"已许可", v1::LICENSE_STATUS_LICENSED},
    {"ライセンスされています", v1::LICENSE_STATUS_LICENSED},
    {"ライセンス済み", v1::LICENSE_STATUS_LICENSED},
    {"ライセンス認証済み", v1::LICENSE_STATUS_LICENSED},
    {"사용이 허가됨", v1::LICENSE_STATUS_LICENSED},
    {"меет лицензию", v1::LICENSE_STATUS_LICENSED},
    {"licencjonowan", v1::LICENSE_STATUS_LICENSED},
    {"gelicentieerd", v1::LICENSE_STATUS_LICENSED},
};

constexpr absl::string_view kGraceWords[] = {"grace",    "grâce",    "gracia", "kulanz", "toleran",
                                             "tolleran", "carência", "宽限",   "寬限",   "猶予",
                                             "유예",     "льготн",   "karenc"};

}  // namespace

Field FieldOfLabel(absl::string_view label_key) {
  static const auto* const kByKey = [] {
    auto* map = new absl::flat_hash_map<absl::string_view, Field>;
    for (const LabelRow& row : kLabels) map->emplace(row.key, row.field);
    return map;
  }();
  const auto found = kByKey->find(label_key);
  if (found != kByKey->end()) return found->second;
  // slmgr leaves this abbreviation as it is in every language.
  if (absl::EndsWith(label_key, "cmid")) return Field::kClientMachineId;
  return Field::kUnknown;
}

std::optional<v1::LicenseStatus> StatusOfWord(absl::string_view word) {
  if (word.size() == 1 && word[0] >= '0' && word[0] <= '6') {
    return static_cast<v1::LicenseStatus>(word[0] - '0' + 1);
  }
  const std::string lower = Lower(word);
  for (absl::string_view grace : kGraceWords) {
    if (!absl::StrContains(lower, grace)) continue;
    for (const StatusRow& row : kGraces) {
      if (absl::StrContains(lower, row.fragment)) return row.status;
    }
    return v1::LICENSE_STATUS_ADDITIONAL_GRACE;
  }
  for (const StatusRow& row : kStatuses) {
    if (absl::StrContains(lower, row.fragment)) return row.status;
  }
  return std::nullopt;
}

std::optional<v1::ActivationType> ActivationTypeOfWord(absl::string_view word) {
  const std::string lower = Lower(word);
  if (lower == "ad") return v1::ACTIVATION_TYPE_DIRECTORY;
  if (lower == "kms") return v1::ACTIVATION_TYPE_KMS;
  if (lower == "token") return v1::ACTIVATION_TYPE_TOKEN;
  for (absl::string_view all : {"all", "alle", "tous", "todos", "todo", "tutti", "全部", "すべて",
                                "모두", "все", "wszystkie"}) {
    if (lower == all) return v1::ACTIVATION_TYPE_ALL;
  }
  return std::nullopt;
}

std::optional<bool> IsEnabledLine(absl::string_view line) {
  const std::string lower = Lower(line);
  if (HasAny(lower, {"disabled", "deaktiviert", "désactiv", "desactiv", "deshabilit", "disabilit",
                     "disattiv", "desabilit", "禁用", "停用", "無効", "사용 안", "отключ", "wyłącz",
                     "uitgeschakeld"})) {
    return false;
  }
  if (HasAny(lower,
             {"enabled", "aktiviert", "activé", "activad", "habilit", "abilit", "attiv", "ativad",
              "启用", "啟用", "有効", "사용", "включен", "włącz", "ingeschakeld"})) {
    return true;
  }
  return std::nullopt;
}

bool IsLowWord(absl::string_view word) {
  return HasAny(Lower(word), {"low", "niedrig", "faible", "baj", "bass", "baix", "低", "낮", "низк",
                              "nisk", "laag"});
}

}  // namespace keymedic::kms::readers
