"""Images and videos from services.

- `base`: images from a service, whatever its interface
- `models`: image and video models of a service
- `request`: sends image requests, downloads images
- `events`: the events of an image request
- `openai`: `/images/generations` and `/images/edits`
- `gemini`: Google's image models
- `huggingface`: inference providers of Hugging Face
- `runway`: Runway's tasks
- `prices`: cost of an image
"""
