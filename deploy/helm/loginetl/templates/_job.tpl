{{/*
The Job of a task, by itself or within a CronJob or ScaledJob, and a CronJob around it.
Invariant: what a person has to look at (exit 1, 2, 3, 5) ends the Job at once; what passes (4) is
tried again, and a pod that was drained away does not count.
*/}}

{{/* Takes what `loginetl.pod` takes, but for restartPolicy. */}}
{{- define "loginetl.jobSpec" -}}
{{- $own := index .root.Values (include "loginetl.section" .) -}}
parallelism: 1
completions: 1
backoffLimit: {{ $own.job.backoffLimit | int }}
{{- with $own.job.activeDeadlineSeconds | int64 }}
activeDeadlineSeconds: {{ . }}
{{- end }}
podFailurePolicy:
  rules:
    # 1: a person should look. 2: wrong settings. 3: refused. 5: tampered with.
    - action: FailJob
      onExitCodes:
        containerName: loginetl
        operator: In
        values: [1, 2, 3, 5]
    - action: Ignore
      onPodConditions:
        - type: DisruptionTarget
          status: "True"
    # 4: queue, KMS or database cannot be reached.
    - action: Count
      onExitCodes:
        containerName: loginetl
        operator: In
        values: [4]
template:
  {{- include "loginetl.pod" (merge (dict "restartPolicy" "Never") .) | nindent 2 }}
{{- end -}}

{{/* Takes besides: schedule, timeZone, suspend, startingDeadlineSeconds. */}}
{{- define "loginetl.cronJob" -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ include "loginetl.fullname" .root }}-{{ .task }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "loginetl.labels" . | nindent 4 }}
spec:
  schedule: {{ .schedule | quote }}
  timeZone: {{ .timeZone | quote }}
  suspend: {{ .suspend }}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: {{ .startingDeadlineSeconds | int64 }}
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 5
  jobTemplate:
    metadata:
      labels:
        {{- include "loginetl.labels" . | nindent 8 }}
    spec:
      {{- include "loginetl.jobSpec" . | nindent 6 }}
{{- end -}}
