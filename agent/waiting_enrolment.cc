// SPDX-License-Identifier: Apache-2.0
#include "agent/waiting_enrolment.h"

#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agent/identity.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/rights.h"
#include "base/status_macros.h"

namespace keymedic::agent {
namespace {

constexpr int kMaxDoublings = 20;
constexpr uint64_t kMaxFileBytes = 64 << 10;

std::string FileIn(const std::string& state_dir) { return absl::StrCat(state_dir, "/enroll.toml"); }

// What the file asks for, into `options`. No error repeats a value, as one is the token.
absl::Status Parse(const std::string& file, const std::string& text, EnrollOptions& options) {
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ":", error.source().begin.line, ": this is no TOML"));
  }
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    const bool is_text = name == "controller" || name == "token";
    if (is_text ? !node.is_string() : !(name == "labels" && node.is_table())) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, ":", node.source().begin.line,
                       ": expected controller and token, texts, and labels, a table of texts"));
    }
  }
  options.controller = table["controller"].value_or("");
  options.token = std::string(absl::StripAsciiWhitespace(table["token"].value_or("")));
  if (options.controller.empty() || options.token.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": controller (HOST:PORT) and token are both needed"));
  }
  if (const toml::table* labels = table["labels"].as_table(); labels != nullptr) {
    for (const auto& [key, node] : *labels) {
      const auto value = node.value_exact<std::string>();
      if (!value) {
        return absl::InvalidArgumentError(absl::StrCat(file, ":", node.source().begin.line,
                                                       ": labels.", std::string(key.str()),
                                                       " is no text"));
      }
      options.labels[std::string(key.str())] = *value;
    }
  }
  return absl::OkStatus();
}

// Nothing is gained by asking again soon.
bool IsRefusal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kResourceExhausted:
      return true;
    default:
      return false;
  }
}

bool Exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(NativePath(path), ignored);
}

void Remove(const std::string& file) {
  std::error_code error;
  std::filesystem::remove(NativePath(file), error);
  if (error) {
    log::Warning("AGENT_ENROLMENT_FILE_NOT_REMOVED",
                 "{} holds a join token and could not be removed: {}; remove it", file,
                 error.message());
  }
}

bool HasLiveIdentity(const std::string& state_dir, absl::Time now) {
  const auto identity = Identity::Load(state_dir);
  return identity.ok() && now <= identity->current().not_after;
}

}  // namespace

absl::StatusOr<bool> WaitingEnrolment::Needed(const std::string& state_dir, absl::Time now) {
  const auto identity = Identity::Load(state_dir);
  if (absl::IsFailedPrecondition(identity.status())) return true;
  KM_RETURN_IF_ERROR(identity.status());
  const std::string file = FileIn(state_dir);
  if (!Exists(file)) return false;
  if (now > identity->current().not_after) return true;
  log::Info("AGENT_ENROLMENT_FILE_UNUSED",
            "this machine is enrolled with {} already, so {} is removed; to enrol it again run: "
            "keymedic-agent enroll",
            identity->controller(), file);
  Remove(file);
  return false;
}

// Everything runs on the strand. `mutex_` is held while something is called from outside its life.
class WaitingEnrolment::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(WaitingEnrolmentOptions options, WaitingEnrolmentDeps deps, std::function<void()> enrolled)
      : options_(std::move(options)),
        deps_(std::move(deps)),
        enrolled_(std::move(enrolled)),
        strand_(Strand::Make(deps_.executor)),
        left_{FileIn(options_.state_dir)},
        configured_{options_.config_file} {}

  void Start() {
    const auto identity = Identity::Load(options_.state_dir);
    log::Warning("AGENT_NOT_ENROLLED",
                 "{}; or put controller and token into {}. Waiting for either",
                 identity.ok() ? "the certificate's time is over; run: keymedic-agent enroll"
                               : std::string(identity.status().message()),
                 options_.config_file);
    strand_->Post([self = shared_from_this()] { self->Look(); });
  }
  void Stop() {
    std::lock_guard lock(mutex_);
    enrolled_ = nullptr;
  }

 private:
  bool Stopped() {
    std::lock_guard lock(mutex_);
    return enrolled_ == nullptr;
  }
  // Where controller and token come from, and how that went.
  struct Source {
    std::string file;
    std::string tried;  // hash of what was tried last
    absl::Time not_before = absl::InfinitePast();
    int failures = 0;  // with this content
  };

  void Look();
  void Try(Source& source, const std::string& content, const std::function<absl::Status()>& enrol);
  void TryFile(const absl::StatusOr<Config>& config);
  void TryConfig(const absl::StatusOr<Config>& config);
  absl::Status EnrolWithFile(const std::string& text, const absl::StatusOr<Config>& config);
  absl::Status EnrolWithConfig(const Config& config);
  bool Enrolled() const { return HasLiveIdentity(options_.state_dir, deps_.clock.Now()); }
  void Failed(Source& source, const absl::Status& status);

  const WaitingEnrolmentOptions options_;
  const WaitingEnrolmentDeps deps_;
  std::mutex mutex_;
  std::function<void()> enrolled_;  // guarded by mutex_; null: stopped
  const std::shared_ptr<Strand> strand_;
  Source left_, configured_;
};

void WaitingEnrolment::Core::Look() {
  if (Stopped()) return;
  if (!Enrolled()) {
    const absl::StatusOr<Config> config = deps_.config();
    TryFile(config);
    if (!Enrolled()) TryConfig(config);
  }
  if (!Enrolled()) {
    strand_->PostAfter(options_.poll, [weak = weak_from_this()] {
      if (auto self = weak.lock()) self->Look();
    });
    return;
  }
  std::lock_guard lock(mutex_);
  if (enrolled_ != nullptr) std::exchange(enrolled_, nullptr)();
}

void WaitingEnrolment::Core::Try(Source& source, const std::string& content,
                                 const std::function<absl::Status()>& enrol) {
  const std::string hash = Sha256(content);
  if (hash == source.tried && deps_.clock.Now() < source.not_before) return;
  if (std::exchange(source.tried, hash) != hash) source.failures = 0;
  if (const absl::Status status = enrol(); !status.ok()) Failed(source, status);
}

void WaitingEnrolment::Core::TryFile(const absl::StatusOr<Config>& config) {
  const auto text = ReadFile(left_.file, kMaxFileBytes);
  if (absl::IsNotFound(text.status())) return left_.tried.clear();
  Try(left_, text.ok() ? *text : text.status().ToString(), [&] {
    KM_RETURN_IF_ERROR(text.status());
    KM_RETURN_IF_ERROR(EnrolWithFile(*text, config));
    Remove(left_.file);
    return absl::OkStatus();
  });
}

void WaitingEnrolment::Core::TryConfig(const absl::StatusOr<Config>& config) {
  if (config.ok() && config->token.empty()) return configured_.tried.clear();
  // One whose time is over is recovered, or enrolled by a person.
  if (!absl::IsFailedPrecondition(Identity::Load(options_.state_dir).status())) return;
  const absl::Status usable =
      config.ok() ? CheckReadableByTrustedOnly(config->file) : config.status();
  Try(configured_,
      usable.ok() ? absl::StrCat(config->controller, "\n", config->token) : usable.ToString(),
      [&] { return usable.ok() ? EnrolWithConfig(*config) : usable; });
}

absl::Status WaitingEnrolment::Core::EnrolWithFile(const std::string& text,
                                                   const absl::StatusOr<Config>& config) {
  KM_RETURN_IF_ERROR(config.status());
  KM_RETURN_IF_ERROR(CheckWritableByTrustedOnly(options_.state_dir, /*folder=*/true));
  KM_RETURN_IF_ERROR(CheckWritableByTrustedOnly(left_.file, /*folder=*/false));
  EnrollOptions enroll;
  enroll.state_dir = options_.state_dir;
  enroll.machine_name = config->name;
  enroll.labels = config->labels;
  KM_RETURN_IF_ERROR(Parse(left_.file, text, enroll));
  return deps_.enroll(enroll);
}

absl::Status WaitingEnrolment::Core::EnrolWithConfig(const Config& config) {
  if (config.controller.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        config.file, ": has a token and no controller; add controller = \"HOST:PORT\""));
  }
  return deps_.enroll({config.controller, std::string(absl::StripAsciiWhitespace(config.token)),
                       options_.state_dir, config.name, config.labels});
}

void WaitingEnrolment::Core::Failed(Source& source, const absl::Status& status) {
  if (IsRefusal(status)) {
    source.not_before = deps_.clock.Now() + options_.refused_pause;
    return log::Warning("AGENT_ENROLMENT_REFUSED",
                        "{}; put what is right into {}; it is tried again when it changes, and "
                        "after {}",
                        std::string(status.message()), source.file,
                        absl::FormatDuration(options_.refused_pause));
  }
  const absl::Duration ceiling =
      std::min(options_.retry_cap,
               options_.retry_base * (int64_t{1} << std::min(source.failures++, kMaxDoublings)));
  const absl::Duration delay = ceiling * deps_.random.Uniform();
  source.not_before = deps_.clock.Now() + delay;
  log::Info("AGENT_ENROLMENT_WAITS", "{}; tried again in {}", std::string(status.message()),
            absl::FormatDuration(delay));
}

WaitingEnrolment::WaitingEnrolment(WaitingEnrolmentOptions options, WaitingEnrolmentDeps deps,
                                   std::function<void()> enrolled)
    : core_(std::make_shared<Core>(std::move(options), std::move(deps), std::move(enrolled))) {}

WaitingEnrolment::~WaitingEnrolment() { core_->Stop(); }

void WaitingEnrolment::Start() { core_->Start(); }

}  // namespace keymedic::agent
