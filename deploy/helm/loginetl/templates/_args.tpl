{{/*
The command line of each task: the image's entry point is the program.
Invariant: no flag carries a secret; each flag is one that the program has.
*/}}

{{/* How the loader is called; ends is `--follow` or `--drain`. Takes {root, ends}. */}}
{{- define "loginetl.loadArgs" -}}
{{- $own := .root.Values.loader -}}
- load
- {{ .ends }}
- --format
- json
- --log-format
- json
- --listen
- {{ include "loginetl.listen" .root | quote }}
- --receivers
- {{ $own.receivers | int64 | quote }}
- --batch-rows
- {{ $own.batchRows | int64 | quote }}
- --visibility-timeout
- {{ $own.visibilityTimeout | int64 | quote }}
- --poison-budget
- {{ $own.poisonBudget | int64 | quote }}
- --envelope
- {{ $own.envelope }}
- --app-version
- {{ $own.appVersion }}
{{- with $own.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "loginetl.listen" -}}
{{- $listen := .Values.loader.listen -}}
{{- $host := ternary (printf "[%s]" $listen.address) $listen.address (contains ":"
    $listen.address) -}}
{{- printf "%s:%d" $host (int $listen.port) -}}
{{- end -}}

{{- define "loginetl.verifyArgs" -}}
{{- $own := .Values.verifier -}}
- audit
- verify
- --format
- json
- --log-format
- json
{{- if eq $own.head.kind "volume" }}
- --head-file
- /var/lib/loginetl/head
{{- else }}
- --expect-head
- {{ $own.head.value | quote }}
{{- end }}
{{- if $own.publicKey.configMap }}
- --public-key
- /etc/loginetl/public-key/audit.pem
{{- end }}
{{- end -}}
