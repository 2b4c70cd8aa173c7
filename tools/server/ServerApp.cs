using System.Collections;
using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dnabert2.Embeddings;
using Dnabert2.Server.Http;
using Dnabert2.Server.Serving;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Dnabert2.Server;

/// <summary>Puts the server together. No file or variable that happens to be there decides anything, but OpenTelemetry's.</summary>
internal static class ServerApp
{
    private const string ServiceName = "dnabert2-server", TelemetryPrefix = "OTEL_";

    /// <summary>A server, to be started.</summary>
    /// <param name="model">The model, which outlives it.</param>
    /// <param name="options">The limits.</param>
    public static WebApplication Build(ServedModel model, ServerOptions options)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = ServiceName });
        builder.Configuration.AddInMemoryCollection(TelemetryVariables());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => Limit(kestrel, options));
        builder.Logging.AddSimpleConsole(console => console.SingleLine = true);
        builder.Logging.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        IServiceCollection services = builder.Services;
        services.AddRoutingCore();
        // What describes the routes; requests are read by ServerJson itself.
        services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.TypeInfoResolverChain.Insert(0, ServerJson.Default);
            json.SerializerOptions.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
            json.SerializerOptions.NumberHandling = JsonNumberHandling.Strict;
        });
        services.AddSingleton(model).AddSingleton(options);
        services.AddSingleton(new WorkQueue(options.MaxQueueTokens)).AddSingleton<Admission>().AddSingleton<Requests>();
        services.AddSingleton<ServerMeter>().AddSingleton<ComputeRoute>();
        services.AddSingleton<TeiRoutes>().AddSingleton<OpenAIRoutes>().AddSingleton<PageRoutes>();
        // Started before the web server and stopped after it.
        services.AddSingleton<ComputeThread>().AddHostedService(provider => provider.GetRequiredService<ComputeThread>());
        // What was taken has its time, and is then ended.
        services.Configure<HostOptions>(host => host.ShutdownTimeout = options.Timeout + TimeSpan.FromSeconds(5));
        AddTelemetry(builder);
        OpenApi.Add(services);

        WebApplication app = builder.Build();
        app.Use((http, next) =>
        {
            // Also of errors, which begin anew.
            http.Response.OnStarting(() =>
            {
                http.Response.Headers.XContentTypeOptions = "nosniff";
                return Task.CompletedTask;
            });
            return next(http);
        });
        app.UseStatusCodePages(context => ComputeRoute.Write(
            context.HttpContext, OpenApi.FaultOf(context.HttpContext.Response.StatusCode), OpenAIPaths.Has(context.HttpContext)));
        app.UseMiddleware<ApiKey>();
        app.Services.GetRequiredService<TeiRoutes>().Map(app);
        app.Services.GetRequiredService<OpenAIRoutes>().Map(app);
        app.Services.GetRequiredService<PageRoutes>().Map(app);
        app.MapPrometheusScrapingEndpoint("/metrics");
        app.MapOpenApi("/openapi.json");
        return app;
    }

    private static void Limit(KestrelServerOptions kestrel, ServerOptions options)
    {
        if (options.Host == "localhost") kestrel.ListenLocalhost(options.Port);
        else kestrel.Listen(IPAddress.Parse(options.Host), options.Port);
        kestrel.AddServerHeader = false;
        KestrelServerLimits limits = kestrel.Limits;
        limits.MaxRequestBodySize = options.MaxBodyBytes;
        // Each may have a request that is refused; idle ones cost a few kilobytes.
        limits.MaxConcurrentConnections = 4L * options.MaxRequests;
        limits.MaxRequestHeadersTotalSize = 1 << 14;
        limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
        limits.KeepAliveTimeout = TimeSpan.FromMinutes(2);
        // Who is slower takes the place of others: 1 kB a second, after five seconds.
        limits.MinRequestBodyDataRate = new MinDataRate(1000, TimeSpan.FromSeconds(5));
        limits.MinResponseDataRate = new MinDataRate(1000, TimeSpan.FromSeconds(5));
    }

    private static void AddTelemetry(WebApplicationBuilder builder)
    {
        OpenTelemetryBuilder telemetry =
            builder.Services.AddOpenTelemetry().ConfigureResource(resource => resource.AddService(ServiceName));
        telemetry.WithMetrics(metrics => metrics
            .AddMeter(Embedder.TelemetryName, ServerMeter.Name, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel",
                "System.Runtime")
            .AddPrometheusExporter());
        if (!builder.Configuration.AsEnumerable().Any(variable => variable.Key.EndsWith("_ENDPOINT", StringComparison.Ordinal))) return;
        telemetry.WithTracing(traces => traces.AddSource(Embedder.TelemetryName).AddAspNetCoreInstrumentation());
        telemetry.UseOtlpExporter();
    }

    /// <summary>OpenTelemetry's own variables, such as <c>OTEL_EXPORTER_OTLP_ENDPOINT</c>.</summary>
    private static Dictionary<string, string?> TelemetryVariables() => Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
        .Where(variable => ((string)variable.Key).StartsWith(TelemetryPrefix, StringComparison.Ordinal))
        .ToDictionary(variable => (string)variable.Key, variable => (string?)variable.Value);
}
