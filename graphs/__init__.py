"""Text in, plan out; the plan as a LangGraph graph; the tools that its steps may call."""
