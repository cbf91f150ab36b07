"""HANDMADE for now."""
def scaled_object(kit):
    return {"spec": {"pollingInterval": 15, "cooldownPeriod": 300, "minReplicaCount": 0, "maxReplicaCount": 4,
      "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}}}},
      "triggers": [{"type": "aws-sqs-queue", "metadata": {"queueLength": "600000"}}]}}
def scaled_job(kit):
    return {"spec": {"pollingInterval": 15, "maxReplicaCount": 4, "scalingStrategy": {"strategy": "default"},
      "triggers": [{"type": "aws-sqs-queue", "metadata": {"queueLength": "600000"}}]}}
def tell(kit):
    pass
