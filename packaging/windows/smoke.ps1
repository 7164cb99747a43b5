# SPDX-License-Identifier: Apache-2.0
#Requires -Version 4.0
<#
.SYNOPSIS
Checks on a real Windows what KeyMedic's tests under Wine cannot prove, and writes a report to send back.

.DESCRIPTION
Reads, and changes nothing: no setting, no key, no service, no file but the two of the report. Shows no product key
(the last five characters at most), no join token, no contents of an event. Needs an administrator's console; Windows
PowerShell 4 or 5.1, or PowerShell 7. Takes about a minute. On a machine without KeyMedic it checks Windows alone.

.PARAMETER Report
Path of the report without its ending; .txt and .json are made.

.PARAMETER InstallLog
The log of msiexec (/l*v), to be searched for a join token.

.EXAMPLE
powershell -NoProfile -ExecutionPolicy Bypass -File smoke.ps1 -InstallLog C:\Temp\keymedic.log
#>
[CmdletBinding()]
param(
    [string] $Report = (Join-Path $env:TEMP ('keymedic-smoke-{0}-{1}' -f $env:COMPUTERNAME, (Get-Date -Format 'yyyyMMdd-HHmmss'))),
    [string] $InstallLog = ''
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$script:Rows = New-Object System.Collections.ArrayList

# Whatever a row says goes through here.
function Hide-Secret([string] $Text) {
    $Text = [regex]::Replace($Text, '(?i)\b(?:[0-9A-Z]{5}-){4}([0-9A-Z]{5})\b', 'XXXXX-XXXXX-XXXXX-XXXXX-$1')
    return [regex]::Replace($Text, 'km1\.[0-9A-Za-z.]+', 'km1.***')
}

# Result: ok, fail (KeyMedic needs it otherwise), warn (worth a look), info.
function Add-Row([string] $Area, [string] $Check, [string] $Result, $Detail) {
    $text = Hide-Secret ([string]$Detail)
    $row = New-Object PSObject -Property ([ordered]@{ area = $Area; check = $Check; result = $Result; detail = $text })
    [void]$script:Rows.Add($row)
    Write-Host ('{0,-5} {1}: {2}  {3}' -f $Result, $Area, $Check, $text)
}

function Add-Verdict([string] $Area, [string] $Check, [bool] $Right, $Detail) {
    if ($Right) { Add-Row $Area $Check 'ok' $Detail } else { Add-Row $Area $Check 'fail' $Detail }
}

# An area that fails does not end the others.
function Invoke-Area([string] $Area, [scriptblock] $Body) {
    try { & $Body } catch { Add-Row $Area 'the check itself' 'fail' ('{0}: {1}' -f $_.Exception.GetType().Name, $_.Exception.Message) }
}

function Get-RegistryValue([string] $Key, [string] $Name) {
    $item = Get-ItemProperty -LiteralPath $Key -Name $Name -ErrorAction SilentlyContinue
    if ($null -eq $item) { return $null }
    return $item.$Name
}

function Test-Administrator {
    $identity = [Security.Principal.WindowsIdentity]::GetCurrent()
    return (New-Object Security.Principal.WindowsPrincipal($identity)).IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
}

# ---------------------------------------------------------------------------------------------------------------------

function Test-System {
    $os = Get-CimInstance -ClassName Win32_OperatingSystem -Property Caption, Version, OSArchitecture, OSLanguage, ProductType
    Add-Row 'system' 'Windows' 'info' ('{0} {1} {2}, language {3}, product type {4}' -f $os.Caption, $os.Version, $os.OSArchitecture, $os.OSLanguage, $os.ProductType)
    $key = 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion'
    foreach ($name in 'ProductName', 'EditionID', 'CurrentBuildNumber', 'UBR', 'InstallationType') {
        Add-Row 'system' $name 'info' (Get-RegistryValue $key $name)
    }
    Add-Row 'system' 'PowerShell' 'info' $PSVersionTable.PSVersion.ToString()
    Add-Row 'system' 'culture' 'info' ('{0}, user interface {1}' -f (Get-Culture).Name, (Get-UICulture).Name)
    Add-Verdict 'system' 'run by an administrator' (Test-Administrator) 'without these rights much below fails'
}

# What the agent asks of the licensing classes: plugins/systems/windows/README.md.
$script:ServiceColumns = @(
    'Version', 'RemainingWindowsReArmCount', 'ClientMachineID', 'KeyManagementServiceMachine', 'KeyManagementServicePort',
    'KeyManagementServiceLookupDomain', 'KeyManagementServiceHostCaching', 'VLActivationInterval', 'VLRenewalInterval',
    'DiscoveredKeyManagementServiceMachineName', 'DiscoveredKeyManagementServiceMachinePort',
    'DiscoveredKeyManagementServiceMachineIpAddress', 'IsKeyManagementServiceMachine', 'KeyManagementServiceListeningPort',
    'KeyManagementServiceDnsPublishing', 'KeyManagementServiceLowPriority', 'KeyManagementServiceCurrentCount',
    'KeyManagementServiceTotalRequests', 'KeyManagementServiceFailedRequests', 'KeyManagementServiceUnlicensedRequests',
    'KeyManagementServiceLicensedRequests', 'KeyManagementServiceOOBGraceRequests', 'KeyManagementServiceOOTGraceRequests',
    'KeyManagementServiceNonGenuineGraceRequests', 'KeyManagementServiceNotificationRequests')
$script:ProductColumns = @(
    'ID', 'Name', 'Description', 'ApplicationID', 'PartialProductKey', 'ProductKeyID', 'ProductKeyChannel', 'LicenseIsAddon',
    'LicenseStatus', 'LicenseStatusReason', 'GracePeriodRemaining', 'EvaluationEndDate', 'GenuineStatus',
    'RemainingAppReArmCount', 'RemainingSkuReArmCount', 'KeyManagementServiceMachine', 'KeyManagementServicePort',
    'KeyManagementServiceLookupDomain', 'DiscoveredKeyManagementServiceMachineName',
    'DiscoveredKeyManagementServiceMachinePort', 'DiscoveredKeyManagementServiceMachineIpAddress',
    'KeyManagementServiceProductKeyID', 'VLActivationInterval', 'VLRenewalInterval', 'VLActivationTypeEnabled',
    'VLActivationType', 'ADActivationObjectName', 'IsKeyManagementServiceMachine', 'KeyManagementServiceCurrentCount',
    'KeyManagementServiceTotalRequests', 'KeyManagementServiceFailedRequests')
$script:ServiceMethods = @(
    'InstallProductKey', 'RefreshLicenseStatus', 'SetKeyManagementServiceMachine', 'SetKeyManagementServicePort',
    'ClearKeyManagementServiceMachine', 'ClearKeyManagementServicePort', 'DisableKeyManagementServiceHostCaching',
    'SetKeyManagementServiceListeningPort', 'DisableKeyManagementServiceDnsPublishing', 'SetVLActivationTypeEnabled',
    'ClearVLActivationTypeEnabled', 'ReArmWindows')
$script:ProductMethods = @(
    'Activate', 'ClearKeyManagementServiceMachine', 'ClearKeyManagementServicePort', 'SetVLActivationTypeEnabled',
    'ClearVLActivationTypeEnabled')

function Test-Class([string] $Namespace, [string] $Name, [string[]] $Columns, [string[]] $Methods) {
    $class = Get-CimClass -Namespace $Namespace -ClassName $Name
    $properties = @($class.CimClassProperties | ForEach-Object { $_.Name })
    $missing = @($Columns | Where-Object { $properties -notcontains $_ })
    # A class without some of them is read all the same: older Windows have fewer.
    if ($missing.Count -eq 0) { Add-Row 'licensing' "$Name columns" 'ok' "all $($Columns.Count) are there" }
    else { Add-Row 'licensing' "$Name columns" 'warn' ('not there: ' + ($missing -join ', ')) }
    $types = @($class.CimClassProperties | Where-Object { $Columns -contains $_.Name } | ForEach-Object { '{0} {1}' -f $_.Name, $_.CimType })
    Add-Row 'licensing' "$Name types" 'info' ($types -join ', ')
    foreach ($method in $Methods) {
        $found = @($class.CimClassMethods | Where-Object { $_.Name -eq $method })
        if ($found.Count -eq 0) { Add-Row 'licensing' "$Name.$method" 'warn' 'not there'; continue }
        $parameters = @($found[0].Parameters | ForEach-Object {
            $qualifiers = @($_.Qualifiers | ForEach-Object { $_.Name }) -join '+'
            '{0} {1} [{2}]' -f $_.CimType, $_.Name, $qualifiers
        })
        Add-Row 'licensing' "$Name.$method" 'ok' ('(' + ($parameters -join ', ') + ')')
    }
}

function Select-Column([string] $Class, [string[]] $Columns) {
    $there = @((Get-CimClass -Namespace 'root\cimv2' -ClassName $Class).CimClassProperties | ForEach-Object { $_.Name })
    return @($Columns | Where-Object { $there -contains $_ })
}

# Times a query, and says how many rows came.
function Invoke-Query([string] $Area, [string] $Check, [string] $Namespace, [string] $Query) {
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $found = @(Get-CimInstance -Namespace $Namespace -Query $Query)
    Add-Row $Area $Check 'info' ('{0} rows in {1} ms' -f $found.Count, $watch.ElapsedMilliseconds)
    return , $found
}

function Test-Licensing {
    Test-Class 'root\cimv2' 'SoftwareLicensingService' $script:ServiceColumns $script:ServiceMethods
    Test-Class 'root\cimv2' 'SoftwareLicensingProduct' $script:ProductColumns $script:ProductMethods

    # Only what this Windows has, as the agent asks in the end, too.
    $columns = (Select-Column 'SoftwareLicensingService' $script:ServiceColumns) -join ', '
    foreach ($service in (Invoke-Query 'licensing' 'query of the service' 'root\cimv2' "SELECT $columns FROM SoftwareLicensingService")) {
        Add-Row 'licensing' 'service' 'info' ('version {0}, host {1}, count {2}, caching {3}' -f $service.Version,
            $service.IsKeyManagementServiceMachine, $service.KeyManagementServiceCurrentCount, $service.KeyManagementServiceHostCaching)
    }
    $columns = (Select-Column 'SoftwareLicensingProduct' $script:ProductColumns) -join ', '
    $text = "SELECT $columns FROM SoftwareLicensingProduct WHERE PartialProductKey <> null"
    foreach ($product in (Invoke-Query 'licensing' 'query of products with a key' 'root\cimv2' $text)) {
        Add-Row 'licensing' 'product' 'info' ('{0}; {1}; key ...{2}; add-on {3}; status {4}; reason 0x{5:X8}; minutes {6}' -f $product.ID,
            $product.Description, $product.PartialProductKey, $product.LicenseIsAddon, $product.LicenseStatus,
            $product.LicenseStatusReason, $product.GracePeriodRemaining)
    }
    $office = Get-CimClass -Namespace 'root\cimv2' -ClassName 'OfficeSoftwareProtectionProduct' -ErrorAction SilentlyContinue
    Add-Row 'licensing' 'OfficeSoftwareProtectionProduct' 'info' ($null -ne $office)
    $key = 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\SoftwareProtectionPlatform'
    Add-Row 'licensing' 'SkipRearm' 'info' (Get-RegistryValue $key 'SkipRearm')
    $published = @(Get-RegistryValue $key 'DnsDomainPublishList' | Where-Object { $_ })
    Add-Row 'licensing' 'DnsDomainPublishList' 'info' "$($published.Count) lines"
}

# A query as the agent makes it: with or without the store of what is in force.
function Invoke-FirewallQuery([string] $Query, [bool] $Active) {
    $options = New-Object Microsoft.Management.Infrastructure.Options.CimOperationOptions
    if ($Active) { $options.SetCustomOption('PolicyStore', 'ActiveStore', $false) }
    $session = [Microsoft.Management.Infrastructure.CimSession]::Create([NullString]::Value)
    try { return , @($session.QueryInstances('root\StandardCimv2', 'WQL', $Query, $options)) } finally { $session.Dispose() }
}

function Test-Firewall {
    $class = Get-CimClass -Namespace 'root\StandardCimv2' -ClassName 'MSFT_NetFirewallRule'
    $methods = @($class.CimClassMethods | ForEach-Object { $_.Name })
    foreach ($method in 'Enable', 'Disable') { Add-Verdict 'firewall' "MSFT_NetFirewallRule.$method" ($methods -contains $method) '' }
    foreach ($active in $true, $false) {
        $store = if ($active) { 'with ActiveStore' } else { 'without a store' }
        $watch = [Diagnostics.Stopwatch]::StartNew()
        $inbound = Invoke-FirewallQuery 'SELECT InstanceID, ElementName, Enabled, Direction, Action, Profiles FROM MSFT_NetFirewallRule WHERE Direction = 1' $active
        Add-Row 'firewall' "inbound rules $store" 'info' ('{0} in {1} ms' -f $inbound.Count, $watch.ElapsedMilliseconds)
        $ours = @($inbound | Where-Object { $_.InstanceID -eq 'SPPSVC-In-TCP' -or $_.InstanceID -like 'SPPSVC-In-TCP*' })
        Add-Verdict 'firewall' "SPPSVC-In-TCP $store" ($ours.Count -gt 0) (($ours | ForEach-Object { 'InstanceID {0}, Enabled {1}, Action {2}, Profiles {3}' -f $_.InstanceID, $_.Enabled, $_.Action, $_.Profiles }) -join '; ')
        $made = @($inbound | Where-Object { $_.ElementName -like 'KeyMedic-*' })
        Add-Row 'firewall' "rules of KeyMedic $store" 'info' (($made | ForEach-Object { '{0} = {1}' -f $_.ElementName, $_.InstanceID }) -join '; ')
        $ports = Invoke-FirewallQuery "SELECT InstanceID, Protocol, LocalPort FROM MSFT_NetProtocolPortFilter WHERE Protocol = 'TCP'" $active
        $kms = @($ports | Where-Object { @($_.LocalPort) -contains '1688' })
        Add-Row 'firewall' "port filters $store" 'info' ('{0} for TCP, {1} with port 1688: {2}' -f $ports.Count, $kms.Count, (($kms | ForEach-Object { $_.InstanceID }) -join ', '))
        $profiles = Invoke-FirewallQuery 'SELECT InstanceID, Name, Enabled FROM MSFT_NetFirewallProfile' $active
        Add-Row 'firewall' "profiles $store" 'info' (($profiles | ForEach-Object { '{0} ({1}) enabled {2}' -f $_.Name, $_.InstanceID, $_.Enabled }) -join '; ')
    }
    $single = Invoke-FirewallQuery "SELECT * FROM MSFT_NetFirewallRule WHERE InstanceID = 'SPPSVC-In-TCP'" $false
    Add-Verdict 'firewall' 'the rule by its identity' ($single.Count -eq 1) "$($single.Count) rows"
    $networks = Invoke-FirewallQuery 'SELECT NetworkCategory FROM MSFT_NetConnectionProfile' $false
    Add-Row 'firewall' 'categories of the networks' 'info' (($networks | ForEach-Object { $_.NetworkCategory }) -join ', ')
    $policy = New-Object -ComObject HNetCfg.FwPolicy2
    Add-Row 'firewall' 'INetFwPolicy2' 'ok' ('{0} rules, current profiles {1}' -f $policy.Rules.Count, $policy.CurrentProfileTypes)
}

# How an event is made, not what it says: for each value its type, and of a text how many parts commas make of it.
function Get-Shape($Record) {
    $parts = @($Record.Properties | ForEach-Object {
        if ($null -eq $_.Value) { 'null' }
        elseif ($_.Value -is [string]) { 'text of {0}' -f @($_.Value.Split(',')).Count }
        else { $_.Value.GetType().Name }
    })
    return '{0} values ({1})' -f $parts.Count, ($parts -join ', ')
}

function Test-Events {
    foreach ($channel in 'Application', 'Key Management Service') {
        $log = Get-WinEvent -ListLog $channel -ErrorAction SilentlyContinue
        if ($null -eq $log) { Add-Row 'events' $channel 'warn' 'no such channel, or not readable'; continue }
        Add-Row 'events' $channel 'ok' ('{0} records, {1} bytes at most, mode {2}, enabled {3}' -f $log.RecordCount, $log.MaximumSizeInBytes, $log.LogMode, $log.IsEnabled)
    }
    $wanted = @(@('Application', 12288), @('Application', 12289), @('Application', 12308), @('Application', 8198),
        @('Key Management Service', 12290), @('Key Management Service', 12293), @('Key Management Service', 12294),
        @('Application', 12290), @('Application', 12293))
    foreach ($pair in $wanted) {
        $found = @(Get-WinEvent -FilterHashtable @{ LogName = $pair[0]; Id = $pair[1] } -MaxEvents 20 -ErrorAction SilentlyContinue)
        if ($found.Count -eq 0) { Add-Row 'events' "$($pair[1]) in $($pair[0])" 'info' 'none'; continue }
        foreach ($group in @($found | Group-Object { '{0}, version {1}: {2}' -f $_.ProviderName, $_.Version, (Get-Shape $_) })) {
            Add-Row 'events' "$($pair[1]) in $($pair[0])" 'info' ('{0} of {1}' -f $group.Count, $group.Name)
        }
    }
}

function Test-EventSource {
    $key = 'HKLM:\SYSTEM\CurrentControlSet\Services\EventLog\Application\KeyMedic'
    $file = Get-RegistryValue $key 'EventMessageFile'
    Add-Verdict 'event source' 'its message file' (($null -ne $file) -and (Test-Path -LiteralPath $file)) $file
    Add-Verdict 'event source' 'TypesSupported' ((Get-RegistryValue $key 'TypesSupported') -eq 7) (Get-RegistryValue $key 'TypesSupported')
    $found = @(Get-WinEvent -FilterHashtable @{ LogName = 'Application'; ProviderName = 'KeyMedic' } -MaxEvents 50 -ErrorAction SilentlyContinue)
    $without = @($found | Where-Object { [string]::IsNullOrEmpty($_.Message) })
    if ($found.Count -eq 0) { Add-Row 'event source' 'events' 'warn' 'none yet'; return }
    Add-Verdict 'event source' 'events have their text' ($without.Count -eq 0) ('{0} events, ids {1}; {2} without a text' -f $found.Count, (@($found | ForEach-Object { $_.Id } | Sort-Object -Unique) -join ', '), $without.Count)
    $told = @($found | Where-Object { $_.Message -match 'km1\.' })
    Add-Verdict 'event source' 'no event tells a join token' ($told.Count -eq 0) "$($told.Count) do"
}

# FAILURE_ACTIONS as the registry holds it: seconds until failures are forgotten at 0, their number at 12, and from 20 on
# pairs of an action (1: restart) and the milliseconds before it.
function Get-Recovery([byte[]] $Bytes) {
    if ($null -eq $Bytes -or $Bytes.Length -lt 20) { return 'none' }
    $count = [BitConverter]::ToInt32($Bytes, 12)
    $actions = @(for ($i = 0; ($i -lt $count) -and (20 + 8 * $i + 8 -le $Bytes.Length); $i++) {
        '{0} after {1} ms' -f [BitConverter]::ToInt32($Bytes, 20 + 8 * $i), [BitConverter]::ToInt32($Bytes, 24 + 8 * $i)
    })
    return 'forgets after {0} s; {1}' -f [BitConverter]::ToInt32($Bytes, 0), ($actions -join ', ')
}

function Test-Service {
    $service = @(Get-CimInstance -Query "SELECT Name, State, StartMode, StartName, PathName, ProcessId FROM Win32_Service WHERE Name = 'KeyMedicAgent'")
    if ($service.Count -eq 0) { Add-Row 'service' 'KeyMedicAgent' 'warn' 'not installed'; return }
    $service = $service[0]
    Add-Verdict 'service' 'runs' ($service.State -eq 'Running') $service.State
    Add-Verdict 'service' 'starts by itself' ($service.StartMode -eq 'Auto') $service.StartMode
    Add-Verdict 'service' 'its account' ($service.StartName -eq 'LocalSystem') $service.StartName
    Add-Verdict 'service' 'its command line' ($service.PathName -match '^"[^"]+\\keymedic-agent\.exe" run$') $service.PathName
    $key = 'HKLM:\SYSTEM\CurrentControlSet\Services\KeyMedicAgent'
    Add-Verdict 'service' 'delayed start' ((Get-RegistryValue $key 'DelayedAutostart') -eq 1) (Get-RegistryValue $key 'DelayedAutostart')
    $recovery = Get-Recovery (Get-RegistryValue $key 'FailureActions')
    Add-Verdict 'service' 'recovery' ($recovery -match '1 after 5000 ms, 1 after 30000 ms, 1 after 300000 ms$') $recovery
    Add-Verdict 'service' 'recovery after an error, too' ((Get-RegistryValue $key 'FailureActionsOnNonCrashFailures') -eq 1) (Get-RegistryValue $key 'FailureActionsOnNonCrashFailures')
    Add-Verdict 'service' 'a SID of its own' ((Get-RegistryValue $key 'ServiceSidType') -eq 1) (Get-RegistryValue $key 'ServiceSidType')
    Add-Row 'service' 'time before a shutdown' 'info' (Get-RegistryValue $key 'PreshutdownTimeout')
    $values = (Get-ItemProperty -LiteralPath $key).PSObject.Properties
    $token = @($values | Where-Object { [string]$_.Value -match 'km1\.' })
    Add-Verdict 'service' 'no join token in its key' ($token.Count -eq 0) ''
}

# Who may do something, by SIDs, which are not translated. Allowed: SYSTEM, Administrators, the owner.
function Test-PrivateFolder([string] $Path) {
    if (-not (Test-Path -LiteralPath $Path)) { Add-Row 'access' $Path 'warn' 'not there'; return }
    $acl = Get-Acl -LiteralPath $Path
    $owner = $acl.GetOwner([Security.Principal.SecurityIdentifier]).Value
    Add-Verdict 'access' "$Path owner" (@('S-1-5-18', 'S-1-5-32-544') -contains $owner) $owner
    $rules = @($acl.GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier]))
    $others = @($rules | Where-Object { @('S-1-5-18', 'S-1-5-32-544', 'S-1-3-4') -notcontains $_.IdentityReference.Value })
    $all = @($rules | ForEach-Object { '{0} {1} {2}' -f $_.IdentityReference.Value, $_.AccessControlType, $_.FileSystemRights }) -join '; '
    Add-Verdict 'access' "$Path for SYSTEM and administrators alone" ($others.Count -eq 0) $all
    Add-Verdict 'access' "$Path takes nothing from above" $acl.AreAccessRulesProtected ''
}

# What others than the system's own accounts may write.
function Test-ProgramFile([string] $Path) {
    $writes = [Security.AccessControl.FileSystemRights]'WriteData, AppendData, Delete, DeleteSubdirectoriesAndFiles, ChangePermissions, TakeOwnership'
    $trusted = @('S-1-5-18', 'S-1-5-32-544', 'S-1-3-0', 'S-1-3-4', 'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464')
    $rules = @((Get-Acl -LiteralPath $Path).GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier]))
    $others = @($rules | Where-Object { ($_.AccessControlType -eq 'Allow') -and ([int]($_.FileSystemRights -band $writes) -ne 0) -and ($trusted -notcontains $_.IdentityReference.Value) })
    Add-Verdict 'access' "$Path written by administrators alone" ($others.Count -eq 0) (($others | ForEach-Object { $_.IdentityReference.Value }) -join ', ')
}

function Test-Access {
    $data = Join-Path ([Environment]::GetFolderPath('CommonApplicationData')) 'KeyMedic'
    Test-PrivateFolder $data
    $state = Join-Path $data 'agent'
    Test-PrivateFolder $state
    $enrolment = Join-Path $state 'enroll.toml'
    if (Test-Path -LiteralPath $enrolment) { Add-Row 'access' 'enroll.toml' 'warn' 'is still there: the machine is not enrolled yet' }
    else { Add-Row 'access' 'enroll.toml' 'ok' 'is not there' }
    $programs = Join-Path $env:ProgramFiles 'KeyMedic'
    if (-not (Test-Path -LiteralPath $programs)) { Add-Row 'access' $programs 'warn' 'not there'; return }
    Test-ProgramFile $programs
    foreach ($item in @(Get-ChildItem -LiteralPath $programs -Recurse)) { Test-ProgramFile $item.FullName }
}

# Compiled here, and for the one question that nothing else answers.
function Test-InJob([int] $ProcessId) {
    if (-not ('KeyMedicSmoke.Job' -as [type])) {
        Add-Type -Namespace KeyMedicSmoke -Name Job -MemberDefinition '[DllImport("kernel32.dll", SetLastError = true)] public static extern bool IsProcessInJob(IntPtr process, IntPtr job, out bool result);'
    }
    [Diagnostics.Process]::EnterDebugMode()  # of this console, to open a process of SYSTEM
    $result = $false
    if (-not [KeyMedicSmoke.Job]::IsProcessInJob((Get-Process -Id $ProcessId).Handle, [IntPtr]::Zero, [ref]$result)) { throw 'IsProcessInJob failed' }
    return $result
}

function Test-Processes {
    foreach ($name in 'keymedic-agent', 'keymedic-plugin-host') {
        $found = @(Get-Process -Name $name -ErrorAction SilentlyContinue)
        if ($found.Count -eq 0) { Add-Row 'processes' $name 'warn' 'does not run'; continue }
        foreach ($process in $found) {
            Add-Row 'processes' $name 'info' ('{0} private bytes, {1} working set, {2} handles, {3} threads, {4:F1} s of processor' -f
                $process.PrivateMemorySize64, $process.WorkingSet64, $process.HandleCount, $process.Threads.Count,
                $process.TotalProcessorTime.TotalSeconds)
            $command = Get-CimInstance -Query "SELECT CommandLine, ParentProcessId FROM Win32_Process WHERE ProcessId = $($process.Id)"
            Add-Verdict 'processes' "$name command line" (-not ($command.CommandLine -match 'km1\.')) $command.CommandLine
            Test-Modules $process
            if ($name -eq 'keymedic-plugin-host') {
                $parent = Get-Process -Id $command.ParentProcessId -ErrorAction SilentlyContinue
                Add-Verdict 'processes' "$name belongs to the agent" (($null -ne $parent) -and ($parent.ProcessName -eq 'keymedic-agent')) $command.ParentProcessId
                # Its limits are not to be asked from outside: the job has no name.
                Add-Verdict 'processes' "$name is in a job" (Test-InJob $process.Id) ''
            }
        }
    }
}

# The DLLs that are in use: from Windows or from our own folder, nothing else.
function Test-Modules($Process) {
    $homes = @($env:SystemRoot, (Join-Path $env:ProgramFiles 'KeyMedic'))
    $files = @($Process.Modules | ForEach-Object { $_.FileName })
    $strangers = @($files | Where-Object { $file = $_; @($homes | Where-Object { $file.StartsWith($_ + '\', [StringComparison]::OrdinalIgnoreCase) }).Count -eq 0 })
    if ($strangers.Count -eq 0) { Add-Row 'processes' "$($Process.ProcessName) modules" 'ok' "$($files.Count), of Windows and of KeyMedic" }
    else { Add-Row 'processes' "$($Process.ProcessName) modules" 'warn' ('from elsewhere: ' + ($strangers -join '; ')) }
    $runtime = @($files | Where-Object { $_ -match '\\(vcruntime|msvcp|api-ms-win-crt)[^\\]*$' } | ForEach-Object { Split-Path -Leaf $_ })
    Add-Row 'processes' "$($Process.ProcessName) Visual C++ libraries, brought by others" 'info' ($runtime -join ', ')
}

function Test-Time {
    $service = @(Get-CimInstance -Query "SELECT State, StartMode FROM Win32_Service WHERE Name = 'W32Time'")
    if ($service.Count -eq 0) { Add-Row 'time' 'W32Time' 'warn' 'no such service' }
    else { Add-Row 'time' 'W32Time' 'info' ('{0}, start {1}' -f $service[0].State, $service[0].StartMode) }
    $key = 'HKLM:\SYSTEM\CurrentControlSet\Services\W32Time\Parameters'
    Add-Row 'time' 'Type' 'info' (Get-RegistryValue $key 'Type')
    Add-Row 'time' 'NtpServer' 'info' (Get-RegistryValue $key 'NtpServer')
    $program = Join-Path $env:SystemRoot 'System32\w32tm.exe'
    $source = @(& $program /query /source 2>&1) -join ' '
    Add-Row 'time' 'w32tm /query /source' 'info' ('exit code {0}: {1}' -f $LASTEXITCODE, $source)
}

function Test-Package {
    $keys = @(Get-ChildItem -LiteralPath 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall' | Where-Object { (Get-RegistryValue $_.PSPath 'DisplayName') -eq 'KeyMedic Agent' })
    Add-Verdict 'package' 'installed once' ($keys.Count -eq 1) "$($keys.Count) entries"
    foreach ($key in $keys) {
        $version = Get-RegistryValue $key.PSPath 'DisplayVersion'
        Add-Row 'package' 'version' 'info' $version
        $files = @(Get-ChildItem -LiteralPath (Join-Path $env:ProgramFiles 'KeyMedic') -Recurse -Include '*.exe', '*.dll')
        $wrong = @($files | Where-Object { $_.VersionInfo.FileVersion -ne $version } | ForEach-Object { $_.Name })
        Add-Verdict 'package' 'each file has that version' (($files.Count -gt 0) -and ($wrong.Count -eq 0)) ($wrong -join ', ')
        $signatures = @($files | ForEach-Object { (Get-AuthenticodeSignature -LiteralPath $_.FullName).Status.ToString() } | Sort-Object -Unique)
        Add-Row 'package' 'signatures' 'info' ($signatures -join ', ')
    }
    if ($InstallLog -eq '') { return }
    $lines = @(Select-String -LiteralPath $InstallLog -Pattern 'km1\.[0-9A-Za-z]' | ForEach-Object { $_.LineNumber })
    Add-Verdict 'package' 'no join token in the log of the installation' ($lines.Count -eq 0) ('lines: ' + (@($lines | Select-Object -First 20) -join ', '))
    $hidden = @(Select-String -LiteralPath $InstallLog -Pattern 'KEYMEDIC_TOKEN' | Where-Object { $_.Line -match '\*{5,}' })
    Add-Row 'package' 'lines that hide it' 'info' $hidden.Count
}

# ---------------------------------------------------------------------------------------------------------------------

Invoke-Area 'system' { Test-System }
Invoke-Area 'licensing' { Test-Licensing }
Invoke-Area 'firewall' { Test-Firewall }
Invoke-Area 'events' { Test-Events }
Invoke-Area 'time' { Test-Time }
if ($null -ne (Get-Service -Name 'KeyMedicAgent' -ErrorAction SilentlyContinue)) {
    Invoke-Area 'service' { Test-Service }
    Invoke-Area 'event source' { Test-EventSource }
    Invoke-Area 'access' { Test-Access }
    Invoke-Area 'processes' { Test-Processes }
    Invoke-Area 'package' { Test-Package }
} else {
    Add-Row 'service' 'KeyMedicAgent' 'info' 'not installed: only Windows was looked at'
}

$utf8 = New-Object System.Text.UTF8Encoding($false)
$text = @($script:Rows | ForEach-Object { '{0,-5} {1}: {2}  {3}' -f $_.result, $_.area, $_.check, $_.detail }) -join "`r`n"
[IO.File]::WriteAllText("$Report.txt", $text + "`r`n", $utf8)
[IO.File]::WriteAllText("$Report.json", (ConvertTo-Json -InputObject @($script:Rows) -Depth 4), $utf8)
$failed = @($script:Rows | Where-Object { $_.result -eq 'fail' }).Count
Write-Host ''
Write-Host ("{0} checks, {1} failed. Please send back: {2}.txt and {2}.json" -f $script:Rows.Count, $failed, $Report)
if ($failed -gt 0) { exit 1 }
exit 0
