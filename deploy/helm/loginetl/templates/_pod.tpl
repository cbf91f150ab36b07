{{/*
The pod of a task.
Invariant: every pod of the chart is made here. It runs confined, under the service account and the
login of its role alone, and the database URL is a file, never a variable.
*/}}

{{/*
Takes {root, role, task, args, restartPolicy} and, where they apply: listens, head, spread, env.
*/}}
{{- define "loginetl.pod" -}}
{{- $root := .root -}}
{{- $own := index $root.Values (include "loginetl.section" .) -}}
{{- $all := $root.Values.pod -}}
{{- $publicKey := and (eq .role "auditor") $root.Values.verifier.publicKey.configMap -}}
metadata:
  labels:
    {{- include "loginetl.podLabels" . | nindent 4 }}
  {{- with merge dict ($own.pod.annotations | default dict) ($all.annotations | default dict) }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ $own.serviceAccount.name }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  restartPolicy: {{ .restartPolicy }}
  terminationGracePeriodSeconds: {{ $own.terminationGracePeriodSeconds }}
  securityContext:
    runAsNonRoot: true
    runAsUser: {{ $root.Values.runAs.user | int64 }}
    runAsGroup: {{ $root.Values.runAs.group | int64 }}
    fsGroup: {{ $root.Values.runAs.group | int64 }}
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with $own.pod.priorityClassName | default $all.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with merge dict ($own.pod.nodeSelector | default dict) ($all.nodeSelector | default dict) }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with concat ($all.tolerations | default list) ($own.pod.tolerations | default list) }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with merge dict ($own.pod.affinity | default dict) ($all.affinity | default dict) }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .spread }}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: {{ $own.topologySpread.whenUnsatisfiable }}
      labelSelector:
        matchLabels:
          {{- include "loginetl.selector" $ | nindent 10 }}
      matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- end }}
  containers:
    - name: loginetl
      image: {{ include "loginetl.image" $root }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args:
        {{- toYaml .args | nindent 8 }}
      env:
        {{- include "loginetl.env" . | nindent 8 }}
        {{- with concat ($all.env | default list) ($own.pod.env | default list) }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- if and $own.awsSecret (eq $root.Values.identity.kind "secret") }}
      envFrom:
        - secretRef:
            name: {{ $own.awsSecret }}
      {{- end }}
      {{- if .listens }}
      ports:
        - name: metrics
          containerPort: {{ $own.listen.port | int }}
          protocol: TCP
      {{- end }}
      {{- if .probes }}
      {{- include "loginetl.probes" . | nindent 6 }}
      {{- end }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        runAsNonRoot: true
        capabilities:
          drop: [ALL]
      resources:
        {{- toYaml $own.resources | nindent 8 }}
      volumeMounts:
        - name: database-url
          mountPath: /etc/loginetl/database
          readOnly: true
        {{- if $root.Values.database.ca.configMap }}
        - name: ca
          mountPath: /etc/loginetl/ca
          readOnly: true
        {{- end }}
        {{- if $publicKey }}
        - name: public-key
          mountPath: /etc/loginetl/public-key
          readOnly: true
        {{- end }}
        {{- if .head }}
        - name: head
          mountPath: /var/lib/loginetl
        {{- end }}
        {{- with concat ($all.volumeMounts | default list) ($own.pod.volumeMounts | default list) }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    {{- include "loginetl.volumes" . | nindent 4 }}
    {{- with concat ($all.volumes | default list) ($own.pod.volumes | default list) }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "loginetl.env" -}}
{{- $root := .root -}}
- name: LOGINETL_DATABASE_URL_FILE
  value: /etc/loginetl/database/url
{{- if include "loginetl.callsAws" . }}
- name: AWS_REGION
  value: {{ $root.Values.aws.region | quote }}
{{- with $root.Values.aws.endpointUrl }}
- name: AWS_ENDPOINT_URL
  value: {{ . | quote }}
{{- end }}
{{- with $root.Values.aws.kmsRegion }}
- name: LOGINETL_KMS_REGION
  value: {{ . | quote }}
{{- end }}
{{- if and $root.Values.queue.url (has .role (list "loader" "rotator")) }}
- name: LOGINETL_QUEUE_URL
  value: {{ $root.Values.queue.url | quote }}
{{- end }}
{{- if has .role (list "rotator" "init") }}
- name: LOGINETL_INGEST_KEY
  value: {{ $root.Values.aws.ingestKey | quote }}
- name: LOGINETL_RECOVERY_KEY
  value: {{ $root.Values.aws.recoveryKey | quote }}
{{- end }}
{{- if ne .role "loader" }}
- name: LOGINETL_AUDIT_KEY
  value: {{ $root.Values.aws.auditKey | quote }}
{{- end }}
{{- end }}
{{- with $root.Values.logLevel }}
- name: RUST_LOG
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* A loader that waits for its database is not ready, and no restart helps it: two questions. */}}
{{- define "loginetl.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 30
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end -}}

{{- define "loginetl.volumes" -}}
{{- $root := .root -}}
{{- $own := index $root.Values (include "loginetl.section" .) -}}
- name: database-url
  secret:
    secretName: {{ $own.database.secret }}
    defaultMode: 0440
    items:
      - key: {{ $own.database.key }}
        path: url
{{- with $root.Values.database.ca }}
{{- if .configMap }}
- name: ca
  configMap:
    name: {{ .configMap }}
    items:
      - key: {{ .key }}
        path: ca.pem
{{- end }}
{{- end }}
{{- if and (eq .role "auditor") $root.Values.verifier.publicKey.configMap }}
- name: public-key
  configMap:
    name: {{ $root.Values.verifier.publicKey.configMap }}
    items:
      - key: {{ $root.Values.verifier.publicKey.key }}
        path: audit.pem
{{- end }}
{{- if .head }}
- name: head
  persistentVolumeClaim:
    claimName: {{ .head }}
{{- end }}
{{- end -}}
