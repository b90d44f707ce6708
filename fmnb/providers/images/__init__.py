"""Pictures and videos from services.

- `base`: pictures from a service, whatever its interface
- `models`: picture and video models of a service
- `request`: sends requests for pictures, downloads pictures
- `events`: the events of a picture request
- `openai`: `/images/generations` and `/images/edits`
- `gemini`: Google's image models
- `huggingface`: inference providers of Hugging Face
- `runway`: Runway's tasks
- `prices`: what a picture costs
"""
