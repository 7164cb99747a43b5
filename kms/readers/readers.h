// SPDX-License-Identifier: Apache-2.0
//
// The readers, one for each kind of evidence. Each is asked at a line: `Starts…` says whether its
// kind begins there, `Read…` takes the piece that begins there and returns how many lines it took
// (0: not mine after all). A reader stops where any other kind begins. All are pure.
#ifndef KEYMEDIC_KMS_READERS_READERS_H_
#define KEYMEDIC_KMS_READERS_READERS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "kms/readers/piece.h"
#include "kms/readers/text.h"

namespace keymedic::kms::readers {

using Lines = std::vector<Line>;

// slmgr /dlv, /dli and /xpr, and the same properties as WMI tools list them, in any language.
bool StartsSlmgr(absl::string_view line);
// `floor`: the first line that no other piece has taken; a report begins above its description.
size_t ReadSlmgr(const Lines& lines, size_t floor, size_t at, Sink& sink);

// cscript ospp.vbs /dstatus and /act.
bool StartsOspp(absl::string_view line);
size_t ReadOspp(const Lines& lines, size_t at, Sink& sink);

// Events as Event Viewer, wevtutil, Get-WinEvent and people write them.
bool StartsEvent(absl::string_view line);
size_t ReadEvents(const Lines& lines, size_t at, Sink& sink);
// "event 12290, first field:" in a heading and the bare fields in the lines below; a line of prose
// that names an event and an error; an error that a command printed.
size_t ReadMention(const Lines& lines, size_t at, uint32_t heading_event, Sink& sink);
// The id after the word "event" in prose; 0 if none.
uint32_t MentionedEvent(absl::string_view line);

// Events as XML and JSON: `text` is one <Event>…</Event> or one JSON object. False: it holds none.
bool ReadEventXml(absl::string_view text, uint32_t line, Sink& sink);
bool ReadEventJson(absl::string_view text, uint32_t line, Sink& sink);
// Is it one of the licensing service's names in the event log, of any version of Windows?
bool IsLicensingSource(absl::string_view provider);
// Puts one event where it belongs: ignored if it has nothing to do with licensing.
void AddEvent(v1::EventRecord event, uint32_t line, Sink& sink);

// An exported event log (.evtx): not text, so the whole content is the piece.
bool StartsEvtx(absl::string_view content);
void ReadEvtx(absl::string_view content, Sink& sink);

// Objects with the properties of the licensing classes, of events or of DNS records, in the layouts
// of PowerShell and wmic. `looked`: below that line no list begins.
bool StartsRecordList(absl::string_view line);
size_t ReadRecordList(const Lines& lines, size_t at, size_t& looked, Sink& sink);
size_t ReadRecordTable(const Lines& lines, size_t at, Sink& sink);
// Values may hold line ends, so it reads from the text: from `at` to the offset that it returns.
bool StartsCsv(absl::string_view line);
size_t ReadCsv(absl::string_view text, size_t at, uint32_t line, Sink& sink);
// `text` is one JSON object. Cheap to ask before it is parsed.
bool MayBeRecordJson(absl::string_view text);
bool ReadRecordJson(absl::string_view text, uint32_t line, Sink& sink);

// Answers of nslookup, dig, host and Resolve-DnsName about _vlmcs._tcp.
bool StartsNames(absl::string_view line);
size_t ReadNames(const Lines& lines, size_t at, Sink& sink);

// "# on the host, Application log", "Computer: pc-017": says whose the following pieces are.
// False: the line is no heading.
bool ReadHeading(absl::string_view line, Sink& sink);
// A heading, a prompt or a comment: no piece goes on across it.
bool IsBreak(absl::string_view line);

// Takes away what a log, a table or a web page put around the lines of a report.
void TidyLayout(Document& document);

// Everything in one file.
void ReadDocument(const Document& document, Sink& sink);

}  // namespace keymedic::kms::readers

#endif  // KEYMEDIC_KMS_READERS_READERS_H_
