namespace Engine.Runtime.Collectives;

/// <summary>The processes of a run cannot work together: the message says what is wrong, and the way out.</summary>
/// <param name="message">What is wrong.</param>
/// <param name="inner">Where it came from.</param>
public sealed class CollectiveException(string message, Exception? inner = null) : Exception(message, inner);
