{{/*
What cannot work in one part alone, for validation.yaml.
Invariant: as in _wrong.tpl.
*/}}

{{- define "loginetl.wrongLoader" -}}
{{- $wrong := list -}}
{{- $own := .Values.loader -}}
{{- $keda := $own.keda -}}
{{- if and $own.enabled $keda.enabled (ne $own.mode "deployment") -}}
{{- $words := print "loader.keda.enabled is for mode deployment: cronjob goes by the clock, and "
                    "scaledjob is KEDA already (mode is %s)" -}}
{{- $wrong = append $wrong (printf $words $own.mode) -}}
{{- end -}}
{{- if include "loginetl.usesKeda" . -}}
{{- if gt (int $keda.minReplicaCount) (int $keda.maxReplicaCount) -}}
{{- $words := "loader.keda.minReplicaCount %d is more than maxReplicaCount %d" -}}
{{- $wrong = append $wrong (printf $words (int $keda.minReplicaCount) (int
    $keda.maxReplicaCount)) -}}
{{- end -}}
{{- if gt (int $keda.fallbackReplicas) (int $keda.maxReplicaCount) -}}
{{- $words := print "loader.keda.fallbackReplicas %d is more than maxReplicaCount %d: Postgres is "
                    "the limit" -}}
{{- $wrong = append $wrong (printf $words (int $keda.fallbackReplicas) (int
    $keda.maxReplicaCount)) -}}
{{- end -}}
{{- if lt (int $keda.cooldownPeriod) (int $keda.pollingInterval) -}}
{{- $words := print "loader.keda.cooldownPeriod %d is shorter than pollingInterval %d: the last "
                    "loader would stop after one look" -}}
{{- $wrong = append $wrong (printf $words (int $keda.cooldownPeriod) (int
    $keda.pollingInterval)) -}}
{{- end -}}
{{- end -}}
{{- if and $own.enabled (eq $own.mode "deployment") (not $keda.enabled) (eq (int $own.replicas)
    0) -}}
{{- $words := print "loader.replicas is 0 and no KEDA starts one: nothing would load; "
                    "loader.enabled false says so" -}}
{{- $wrong = append $wrong $words -}}
{{- end -}}
{{- if and $own.enabled (or (hasPrefix "127." $own.listen.address) (eq $own.listen.address
    "::1")) -}}
{{- $words := print "loader.listen.address %s is reached from within the pod alone: neither probes "
                    "nor Prometheus get there" -}}
{{- $wrong = append $wrong (printf $words $own.listen.address) -}}
{{- end -}}
{{- $rolling := $own.strategy.rollingUpdate | default dict -}}
{{- if and (eq $own.strategy.type "Recreate") $rolling -}}
{{- $words := "loader.strategy has rollingUpdate and type Recreate: set rollingUpdate to null" -}}
{{- $wrong = append $wrong $words -}}
{{- end -}}
{{- if and (eq (toString ($rolling.maxSurge)) "0") (eq (toString ($rolling.maxUnavailable)) "0") -}}
{{- $words := print "loader.strategy has maxSurge 0 and maxUnavailable 0: no pod could ever be "
                    "replaced" -}}
{{- $wrong = append $wrong $words -}}
{{- end -}}
{{- toYaml $wrong -}}
{{- end -}}

{{- define "loginetl.wrongRoles" -}}
{{- $wrong := list -}}
{{- $v := .Values -}}
{{- if and $v.rotator.enabled (not $v.rotator.rotate.enabled) (not $v.rotator.resume.enabled) -}}
{{- $words := "rotator.rotate and rotator.resume are both off: rotator.enabled false says so" -}}
{{- $wrong = append $wrong $words -}}
{{- end -}}
{{- if $v.verifier.enabled -}}
{{- $head := $v.verifier.head -}}
{{- if and (eq $head.kind "value") (not $head.value) -}}
{{- $words := print "verifier.head.value is empty: with kind value it is the SEQ:HASH that the "
                    "last `audit verify` printed" -}}
{{- $wrong = append $wrong $words -}}
{{- end -}}
{{- if and (eq $head.kind "volume") $head.value -}}
{{- $words := print "verifier.head.value is set and kind is volume: the head is the one on the "
                    "volume, take one away" -}}
{{- $wrong = append $wrong $words -}}
{{- end -}}
{{- if and (eq $head.kind "value") $head.existingClaim -}}
{{- $words := print "verifier.head.existingClaim is set and kind is value: nothing would be kept "
                    "there, take one away" -}}
{{- $wrong = append $wrong $words -}}
{{- end -}}
{{- if and $v.verifier.publicKey.configMap (or $v.verifier.roleArn $v.verifier.awsSecret) -}}
{{- $words := print "verifier.publicKey is set: the verifier calls no AWS, take verifier.roleArn "
                    "and awsSecret away" -}}
{{- $wrong = append $wrong $words -}}
{{- end -}}
{{- end -}}
{{- if and $v.init.enabled $v.init.hook $v.init.serviceAccount.create -}}
{{- $words := print "init.hook runs before the chart makes anything: make its service account "
                    "yourself, and set init.serviceAccount.create to false" -}}
{{- $wrong = append $wrong $words -}}
{{- end -}}
{{- if and $v.init.hook (not $v.init.enabled) -}}
{{- $wrong = append $wrong "init.hook is set and init.enabled is false: it would have no effect" -}}
{{- end -}}
{{- toYaml $wrong -}}
{{- end -}}

{{- define "loginetl.wrongMonitoring" -}}
{{- $wrong := list -}}
{{- $own := .Values.monitoring -}}
{{- $policy := .Values.networkPolicy -}}
{{- if and $own.podMonitor.enabled (not .Values.loader.enabled) -}}
{{- $words := "monitoring.podMonitor is on and there is no loader: nothing else has metrics" -}}
{{- $wrong = append $wrong $words -}}
{{- end -}}
{{- if and $own.podMonitor.enabled .Values.loader.enabled $policy.enabled (not
    $policy.metricsFrom) -}}
{{- $words := print "monitoring.podMonitor is on and networkPolicy.metricsFrom is empty: "
                    "Prometheus could not reach the metrics" -}}
{{- $wrong = append $wrong $words -}}
{{- end -}}
{{- if and (not $policy.enabled) (or $policy.metricsFrom $policy.extraEgress $policy.database
    $policy.aws $policy.dns) -}}
{{- $words := "networkPolicy.enabled is false and peers are named: they would have no effect" -}}
{{- $wrong = append $wrong $words -}}
{{- end -}}
{{- if $own.rules.enabled -}}
{{- if not $own.rules.runbookUrl -}}
{{- $words := print "monitoring.rules.runbookUrl is empty: whoever is woken follows it; name where "
                    "your copy of docs/runbooks is" -}}
{{- $wrong = append $wrong $words -}}
{{- end -}}
{{- $known := list -}}
{{- range $path, $content := .Files.Glob "files/rules/*.yaml" -}}
{{- range $group := (toString $content | fromYaml).groups -}}
{{- range $group.rules -}}{{- $known = append $known .alert -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- if not $known -}}
{{- $words := "monitoring.rules is on, and this copy of the chart has no files/rules" -}}
{{- $wrong = append $wrong $words -}}
{{- end -}}
{{- range $name := $own.rules.except -}}
{{- if not (has $name $known) -}}
{{- $wrong = append $wrong (printf "monitoring.rules.except names %s: there is no such alert"
    $name) -}}
{{- end -}}
{{- end -}}
{{- if and $known (eq (len $own.rules.except) (len $known)) -}}
{{- $words := "monitoring.rules.except leaves no alert: monitoring.rules.enabled false says so" -}}
{{- $wrong = append $wrong $words -}}
{{- end -}}
{{- end -}}
{{- if and $own.dashboard.enabled (not (.Files.Get "files/dashboard.json")) -}}
{{- $words := print "monitoring.dashboard is on, and this copy of the chart has no "
                    "files/dashboard.json" -}}
{{- $wrong = append $wrong $words -}}
{{- end -}}
{{- toYaml $wrong -}}
{{- end -}}
