{{/*
What cannot work, for validation.yaml: each definition gives a list of sentences, empty where
nothing is wrong.
Invariant: a sentence names the value, says why, and what to do.
*/}}

{{- define "loginetl.wrongSettings" -}}
{{- $wrong := list -}}
{{- $v := .Values -}}
{{- if not (or $v.loader.enabled $v.rotator.enabled $v.verifier.enabled $v.init.enabled) -}}
{{- $words := "loader, rotator, verifier and init are all switched off: there is nothing to run" -}}
{{- $wrong = append $wrong $words -}}
{{- end -}}
{{- if and $v.loader.enabled (not $v.queue.url) -}}
{{- $wrong = append $wrong "queue.url is empty: the loader needs the URL of its queue" -}}
{{- end -}}
{{- $callsAws := or $v.loader.enabled $v.rotator.enabled $v.init.enabled -}}
{{- $callsAws = or $callsAws (and $v.verifier.enabled (not $v.verifier.publicKey.configMap)) -}}
{{- if and $callsAws (not $v.aws.region) -}}
{{- $wrong = append $wrong "aws.region is empty: name the region of the queue and the keys" -}}
{{- end -}}
{{- $of := regexReplaceAll "^https://sqs[.]([a-z0-9-]+)[.]amazonaws[.]com(?:[.]cn)?/.*$"
    $v.queue.url "${1}" -}}
{{- if and $v.aws.region (ne $of $v.queue.url) (ne $of $v.aws.region) -}}
{{- $words := print "queue.url is of %s and aws.region is %s: SQS is asked in aws.region (KMS "
                    "elsewhere: aws.kmsRegion)" -}}
{{- $wrong = append $wrong (printf $words $of $v.aws.region) -}}
{{- end -}}
{{- if and (eq $v.image.tag "latest") (not $v.image.digest) -}}
{{- $words := "image.tag latest names another image tomorrow: give a version, or image.digest" -}}
{{- $wrong = append $wrong $words -}}
{{- end -}}
{{- toYaml $wrong -}}
{{- end -}}

{{- define "loginetl.wrongIdentities" -}}
{{- $wrong := list -}}
{{- $root := . -}}
{{- $kind := .Values.identity.kind -}}
{{- range $role := list "loader" "rotator" "auditor" "init" -}}
{{- $section := include "loginetl.section" (dict "role" $role) -}}
{{- $own := index $root.Values $section -}}
{{- $callsAws := include "loginetl.callsAws" (dict "root" $root "role" $role) -}}
{{- if $own.enabled -}}
{{- if and (eq $kind "irsa") $callsAws (not $own.roleArn) $own.serviceAccount.create -}}
{{- $words := print "%s.roleArn is empty: with identity.kind irsa it names the role of "
                    "keys/iam/%s.json" -}}
{{- $wrong = append $wrong (printf $words $section $role) -}}
{{- end -}}
{{- if and (ne $kind "irsa") $own.roleArn -}}
{{- $words := "%s.roleArn is set and identity.kind is %s: it would have no effect, take it away" -}}
{{- $wrong = append $wrong (printf $words $section $kind) -}}
{{- end -}}
{{- if and (eq $kind "irsa") $own.roleArn (not $own.serviceAccount.create) -}}
{{- $words := print "%s.roleArn is set and %s.serviceAccount.create is false: whoever makes the "
                    "service account puts the role on it" -}}
{{- $wrong = append $wrong (printf $words $section $section) -}}
{{- end -}}
{{- if and (eq $kind "secret") $callsAws (not $own.awsSecret) -}}
{{- $words := print "%s.awsSecret is empty: with identity.kind secret it names a Secret with the "
                    "AWS credentials" -}}
{{- $wrong = append $wrong (printf $words $section) -}}
{{- end -}}
{{- if and (ne $kind "secret") $own.awsSecret -}}
{{- $words := print "%s.awsSecret is set and identity.kind is %s: keys that never expire beside a "
                    "role, take them away" -}}
{{- $wrong = append $wrong (printf $words $section $kind) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $wrong -}}
{{- end -}}

{{/* A role shares its service account, its login and its role of IAM with no other. */}}
{{- define "loginetl.sharedThings" -}}
{{- $wrong := list -}}
{{- $root := . -}}
{{- $seen := dict -}}
{{- if and (include "loginetl.usesKeda" .) .Values.loader.keda.roleArn -}}
{{- $_ := set $seen (printf "role of IAM %s" .Values.loader.keda.roleArn) "loader.keda" -}}
{{- end -}}
{{- range $section := list "loader" "rotator" "verifier" "init" -}}
{{- $own := index $root.Values $section -}}
{{- if $own.enabled -}}
{{- $login := printf "database URL %s in the Secret %s" $own.database.key $own.database.secret -}}
{{- $things := list (printf "service account %s" $own.serviceAccount.name) $login -}}
{{- if $own.roleArn -}}
{{- $things = append $things (printf "role of IAM %s" $own.roleArn) -}}
{{- end -}}
{{- if $own.awsSecret -}}
{{- $things = append $things (printf "Secret of AWS %s" $own.awsSecret) -}}
{{- end -}}
{{- range $thing := $things -}}
{{- if hasKey $seen $thing -}}
{{- $words := print "%s and %s share the %s: each role has its own, or one of them may do what "
                    "both may" -}}
{{- $wrong = append $wrong (printf $words (get $seen $thing) $section $thing) -}}
{{- end -}}
{{- $_ := set $seen $thing $section -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $wrong -}}
{{- end -}}

{{/* What would put a secret where everybody reads it, or contradict what the chart sets. */}}
{{- define "loginetl.wrongPods" -}}
{{- $wrong := list -}}
{{- $secrets := list "LOGINETL_DATABASE_URL" "AWS_SECRET_ACCESS_KEY" "AWS_SESSION_TOKEN" -}}
{{- $ours := list "LOGINETL_DATABASE_URL_FILE" "LOGINETL_QUEUE_URL" "AWS_REGION" "AWS_ENDPOINT_URL"
    "RUST_LOG" -}}
{{- $ours = concat $ours (list "LOGINETL_INGEST_KEY" "LOGINETL_RECOVERY_KEY" "LOGINETL_AUDIT_KEY"
    "LOGINETL_KMS_REGION") -}}
{{- $pods := dict "pod" .Values.pod -}}
{{- range $section := list "loader" "rotator" "verifier" "init" -}}
{{- $_ := set $pods (printf "%s.pod" $section) (index $.Values $section).pod -}}
{{- end -}}
{{- range $where, $pod := $pods -}}
{{- range $env := $pod.env | default list -}}
{{- if has $env.name $secrets -}}
{{- $words := print "%s.env has %s: a database URL is a file from database.secret, AWS credentials "
                    "are identity's" -}}
{{- $wrong = append $wrong (printf $words $where $env.name) -}}
{{- else if has $env.name $ours -}}
{{- $words := print "%s.env has %s, which the chart sets: use the value for it (queue.url, aws, "
                    "logLevel)" -}}
{{- $wrong = append $wrong (printf $words $where $env.name) -}}
{{- else if eq $env.name "LOG_SENSITIVE_BODIES" -}}
{{- $wrong = append $wrong (printf
    "%s.env has LOG_SENSITIVE_BODIES: loginetl does not start with it" $where) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $set := list "--listen" "--follow" "--drain" "--receivers" "--batch-rows"
    "--visibility-timeout" -}}
{{- $set = concat $set (list "--poison-budget" "--envelope" "--app-version" "--format"
    "--log-format") -}}
{{- $set = concat $set (list "--queue-url" "--duty" "--resume" "--ingest-key" "--recovery-key"
    "--audit-key") -}}
{{- range $where, $args := dict "loader" .Values.loader.extraArgs "rotator.rotate"
    .Values.rotator.rotate.extraArgs -}}
{{- range $arg := $args -}}
{{- $flag := regexReplaceAll "=.*" $arg "" -}}
{{- if eq $flag "--database-url" -}}
{{- $words := print "%s.extraArgs has --database-url: whoever sees the command line would see the "
                    "password" -}}
{{- $wrong = append $wrong (printf $words $where) -}}
{{- else if has $flag $set -}}
{{- $words := "%s.extraArgs has %s, which the chart sets: use the value for it" -}}
{{- $wrong = append $wrong (printf $words $where $flag) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $wrong -}}
{{- end -}}
